"""The parts that the table of the document is made of: elements in a sequence, choices among them, and the values they hold."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct


class Form(StrEnum):
    """How a value is written (XML Schema's types, where it has one)."""

    TEXT = "text"
    CHOICE = "choice"
    """One of a list, letter for letter."""
    EMPTY = "empty"
    """Nothing inside: that the element is there is what it says."""
    BOOLEAN = "boolean"
    WHOLE = "whole"
    DECIMAL = "decimal"
    MOMENT = "moment"
    """Date and time with a zone."""
    DAY = "day"
    IP = "ip"
    EMAIL = "email"
    PATTERN = "pattern"


class Value(Struct, frozen=True, kw_only=True):
    form: Form = Form.TEXT
    most: int | None = None
    """Characters."""
    least: float | None = None
    greatest: float | None = None
    choices: tuple[str, ...] = ()
    choices_are: str = ""
    """What to call a list that is too long to print: `a country by its two letters, such as US`."""
    pattern: str = ""
    like: str = ""
    """What fits the pattern, in words with an example."""
    past: bool = False
    """A moment or day that cannot lie in the future."""


class Attribute(Struct, frozen=True, kw_only=True):
    name: str
    value: Value
    required: bool = False


class Element(Struct, frozen=True, kw_only=True):
    name: str
    holds: Value | Group
    required: bool = False
    many: bool = False
    attributes: tuple[Attribute, ...] = ()

    @property
    def is_group(self) -> bool:
        return isinstance(self.holds, Group)


class Choice(Struct, frozen=True, kw_only=True):
    """At most one of these; exactly one where it is required."""

    of: tuple[Element, ...]
    required: bool = False


class Group(Struct, frozen=True):
    """A sequence: elements stand in this order."""

    parts: tuple[Element | Choice, ...]

    def elements(self) -> Iterator[tuple[int, Element]]:
        """Each element with its place in the sequence; those of one choice share a place."""
        for place, part in enumerate(self.parts):
            if isinstance(part, Choice):
                for one in part.of:
                    yield place, one
            else:
                yield place, part

    def find(self, name: str) -> tuple[int, Element] | None:
        return next((found for found in self.elements() if found[1].name == name), None)


def elements_below(element: Element, path: str = "") -> Iterator[tuple[str, Element]]:
    """The element and everything in it, each with its path, in the order of the document."""
    here = f"{path}/{element.name}"
    yield here, element
    if isinstance(element.holds, Group):
        for _, part in element.holds.elements():
            yield from elements_below(part, here)
