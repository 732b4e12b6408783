"""What the laws share: how one is declared, seeded draws, and the sequences they run over."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nightlight.kit.examples import Example, ExampleKind
from nightlight.kit.run import Risk, Sensed, Trace
from nightlight.kit.workbench import Broken, Workbench, varied

Law = Callable[[Workbench], None]
"""Raises AssertionError where it does not hold."""

LONGEST_QUOTE = 12
"""Characters of an event's text that a reason may repeat by chance: more is a quote, and reasons are shown where content is not."""
ROUNDING = 1e-9

Drawn = TypeVar("Drawn")


def law(rule: Law) -> Law:
    """Put the law's name and the first line of its docstring into whatever it raises."""

    @functools.wraps(rule)
    def named(bench: Workbench) -> None:
        says = (rule.__doc__ or "").strip().splitlines()[0]
        try:
            rule(bench)
        except Broken as error:
            raise AssertionError(f"law `{rule.__name__}`: {error}\n  {says}") from None
        except Exception as error:
            raise AssertionError(f"law `{rule.__name__}`: raised {type(error).__name__}: {error}\n  {says}") from error

    return named


def for_all(strategy: st.SearchStrategy[Drawn], holds: Callable[[Drawn], None], *, tries: int = 40) -> None:
    """Run `holds` on drawn values, seeded. A failure is not shrunk: most of what is drawn is a seed, and a small seed is no simpler."""

    @settings(
        max_examples=tries,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(drawn: Drawn) -> None:
        holds(drawn)

    one()


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def canonical(value: Any) -> bytes:
    """Equal bytes for equal data, whatever the order of its sets and mappings."""
    return msgspec.msgpack.encode(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


def quotes(words: str, texts: list[str]) -> bool:
    """True where more than `LONGEST_QUOTE` characters in a row of any text stand in `words`."""
    said, size = words.casefold(), LONGEST_QUOTE + 1
    folded = (text.casefold() for text in texts)
    return any(text[at : at + size] in said for text in folded for at in range(len(text) - size + 1))


def sequences(bench: Workbench) -> Iterator[tuple[str, tuple[Sensed, ...]]]:
    """Every example, and one long varied conversation."""
    for example in bench.examples:
        yield example.name, bench.sensed(example)
    yield "(varied events)", varied(bench.anything, Random(7), 150)


def moved(trace: Trace, at: int) -> set[Risk]:
    """What the step at that place gave a score to."""
    return {(s.subject, s.harm) for s in trace.steps[at].all_signals if not s.abstained}


def scored(bench: Workbench, *kinds: ExampleKind) -> list[tuple[Example, int]]:
    """Every place of every example of those kinds (all, by default) at which a score was given."""
    return [
        (example, at)
        for example in bench.of_kind(*(kinds or tuple(ExampleKind)))
        for at in range(len(example.events))
        if moved(bench.trace(example), at)
    ]
