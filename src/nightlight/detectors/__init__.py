"""Detectors: one folder a harm or behaviour, and the door through which each is found.

A folder holds `detector.py`, `card.toml`, `examples.jsonl`, `README.md` and a test, and imports only `core`, never another detector; what
the detectors of conversations share is one package beside them, `_conversation`. Its `__init__.py` has the door: `def build() ->
Detector`. Folders here are found by scanning (a name that starts with `_` is not one); any other installed package offers its own by
the entry point group `nightlight.detectors`, whose value is either a module with a `build` or the factory itself. Both go through the
same code, so whatever works here works in a package of your own.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points

from msgspec import Struct

from nightlight.core.detect import Card, Detector

GROUP = "nightlight.detectors"
"""The entry point group of detectors that live in other packages."""

_METHODS = ("keys", "new", "wants", "observe", "absorb", "upgrade")


class Problem(Struct, frozen=True):
    """A detector that could not be opened. It is reported, never passed over: a harm nobody looks for must not go unnoticed."""

    name: str
    origin: str
    """`built in`, or the distribution that offers it."""
    error: str


class Discovery(Struct, frozen=True):
    detectors: Mapping[str, Detector]
    """By the name on the card, in alphabetical order."""
    problems: tuple[Problem, ...] = ()


class _Door(Struct, frozen=True):
    name: str
    origin: str
    open: Callable[[], object]
    """Gives a module with a `build`, or the factory itself."""


def discover() -> Discovery:
    """Open every detector that is installed. One that fails is a `Problem` and spoils no other; a name is given out once."""
    found: dict[str, Detector] = {}
    problems = []
    for door in (*_built_in(), *_offered()):
        try:
            detector = _enter(door.open())
            if not detector.card.name.strip():
                raise ValueError("its card has no name")
            if detector.card.name in found:
                raise ValueError(f"another detector is already called {detector.card.name!r}")
            found[detector.card.name] = detector
        except Exception as error:  # whatever a plug-in does, the others must run
            problems.append(Problem(door.name, door.origin, f"{type(error).__name__}: {error}"))
    return Discovery(dict(sorted(found.items())), tuple(problems))


def _built_in() -> Iterator[_Door]:
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg and not module.name.startswith("_"):
            yield _Door(module.name, "built in", partial(importlib.import_module, f"{__name__}.{module.name}"))


def _offered() -> Iterator[_Door]:
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        yield _Door(point.name, point.dist.name if point.dist else "unknown", point.load)


def _enter(door: object) -> Detector:
    factory = getattr(door, "build", door)
    if not callable(factory):
        raise TypeError("there is no `build` function")
    detector = factory()
    if not isinstance(getattr(detector, "card", None), Card):
        raise TypeError("what `build` gave has no card")
    missing = [name for name in _METHODS if not callable(getattr(detector, name, None))]
    if missing or not hasattr(detector, "state_type"):
        raise TypeError(f"what `build` gave lacks {', '.join(missing) or 'state_type'}")
    return detector  # type: ignore[no-any-return]
