"""What a document for an authority is made of before it is XML, and what may be wrong with it.

Core knows no authority's format: a document is a tree of named elements, and the `reporting` room knows which may stand where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.errors import NotFound

_STEP = re.compile(r"([^/\[\]@]{1,200})(?:\[([1-9][0-9]{0,5})\])?")
_DEEPEST = 32


class Node(Struct, frozen=True):
    """One element: text or children, never both."""

    name: str
    text: str = ""
    attributes: Mapping[str, str] = {}
    children: tuple[Node, ...] = ()

    def all(self, name: str) -> Iterator[Node]:
        """The children of that name, in order."""
        return (child for child in self.children if child.name == name)

    def first(self, *path: str) -> Node | None:
        """The first element along the names, or None: `report.first("incidentSummary", "incidentType")`."""
        found: Node | None = self
        for name in path:
            found = next(found.all(name), None) if found is not None else None
        return found

    def value(self, *path: str) -> str:
        """The text of the first element along the names, or the empty string."""
        found = self.first(*path)
        return found.text if found is not None else ""

    def at(self, path: str) -> Node | None:
        """The element at an absolute path such as `/report/victim[2]/victimPerson/age`, or None."""
        steps = _steps(path)
        if not steps or steps[0] != (self.name, 1):
            return None
        found: Node | None = self
        for name, number in steps[1:]:
            found = next((c for n, c in enumerate(found.all(name), start=1) if n == number), None) if found is not None else None
        return found

    def with_text(self, path: str, text: str | None) -> Node:
        """The document with one value changed: a new element where there was none, no element where `text` is None.

        A new one stands last in its group; a writer that knows the format puts it in its place. Raises NotFound where there is no group
        to put it into, or nothing to take away, or the root would go.
        """
        steps = _steps(path)
        if len(steps) < 2 or steps[0] != (self.name, 1):
            raise NotFound("there is no such place in the document", field=path[:200])
        return self._changed(steps[1:], text, path)

    def _changed(self, steps: list[tuple[str, int]], text: str | None, path: str) -> Node:
        name, number = steps[0]
        places = [place for place, child in enumerate(self.children) if child.name == name]
        if len(steps) == 1 and text is not None and number == len(places) + 1:
            return replace(self, children=(*self.children, Node(name, text)))
        if number > len(places):
            raise NotFound("there is no such place in the document", field=path[:200])
        place = places[number - 1]
        old = self.children[place]
        if len(steps) > 1:
            new: tuple[Node, ...] = (old._changed(steps[1:], text, path),)
        elif text is None:
            new = ()
        elif old.children:
            raise NotFound("holds elements, not a value", field=path[:200])
        else:
            new = (replace(old, text=text),)
        return replace(self, children=(*self.children[:place], *new, *self.children[place + 1 :]))


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One element of a document as a person reads and changes it."""

    path: str
    label: str
    depth: int
    """0 is the root."""
    value: str | None = None
    """None: a group. Empty: it says what it says by being there, see `flag`."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Label and text."""
    most: int | None = None
    """Characters."""
    choices: tuple[str, ...] = ()
    """What the value may be, where it is one of a list."""
    long: bool = False
    """A text of many lines."""
    flag: bool = False
    """It can be there or not, and holds nothing."""
    required: bool = False
    faults: tuple[str, ...] = ()
    """In the reader's language."""


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that an authority would refuse, or that would mislead it."""

    path: str
    """Where, such as `/report/victim[2]/victimPerson/age`; a number where an element of that name stands beside others, from 1."""
    code: str
    """Stable: see docs/reference/cybertipline.md."""
    message: str
    """What is wrong and what would be right, for a reviewer. Quotes nothing of what the report says."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message} ({self.code})"


def _steps(path: str) -> list[tuple[str, int]]:
    """Names and numbers along an absolute path; empty where it is none."""
    if not path.startswith("/") or path.count("/") > _DEEPEST:
        return []
    found = [_STEP.fullmatch(part) for part in path[1:].split("/")]
    return [(one[1], int(one[2] or 1)) for one in found if one is not None] if all(found) else []
