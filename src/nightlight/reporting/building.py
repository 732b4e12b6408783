"""Builds one element of a document by the table: what fits goes where it belongs, and what does not fit is told in words, never lost.

A service's own records hold malformed addresses, times ahead of our clock and names longer than the format takes. None of that may
stop a report, and none may be dropped silently: it becomes a note, which ends in a free text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from nightlight.core.document import Node
from nightlight.reporting.cybertipline.rules import QUOTE
from nightlight.reporting.cybertipline.schema import Element, Group, Value
from nightlight.reporting.cybertipline.values import fault_of, moment_text
from nightlight.reporting.cybertipline.xmltext import cleaned


def quoted(text: str) -> str:
    """What somebody wrote, each line marked, so that nobody takes it for our own words."""
    return "\n".join(QUOTE + line for line in cleaned(text).splitlines() or [""])


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


MOST_FREE = 100_000
"""Characters of a text for which the format names no limit: what is longer belongs into an attached file."""


class Building:
    """One element with children, filled in any order; `now` is what the past lies before."""

    def __init__(self, element: Element, now: datetime) -> None:
        if not isinstance(element.holds, Group):
            raise TypeError(f"{element.name} holds a value")
        self._element = element
        self._group = element.holds
        self._now = now
        self._children: list[Node] = []
        self._attributes: dict[str, str] = {}
        self.notes: list[str] = []

    def put(self, name: str, value: str | bool | int | datetime | None, **attributes: str | bool | datetime | None) -> None:
        """One value, with its attributes. None and blank text put nothing."""
        if value is None or not (text := _written(value)).strip():
            return
        text = shortened(text, MOST_FREE)
        element = self._part(name)
        assert isinstance(element.holds, Value)  # noqa: S101 - the caller names a part of the table
        wrong = fault_of(element.holds, text, self._now)
        if wrong is not None and wrong[0] == "too_long" and element.holds.most is not None:
            self.notes.append(f"{name} in full:\n{quoted(text)}")
            text = shortened(text, element.holds.most)
        elif wrong is not None:
            self.notes.append(f"{name} as it is recorded, which the form does not take:\n{quoted(text)}")
            return
        self._children.append(Node(name, text, self._fitting(element, attributes)))

    def has(self, name: str) -> bool:
        """Whether the format has such an element here."""
        return self._group.find(name) is not None

    def flag(self, name: str, wanted: bool) -> None:
        if wanted:
            self._part(name)
            self._children.append(Node(name))

    def part(self, name: str) -> Building:
        """An element with children inside this one; `take` puts it in."""
        return Building(self._part(name), self._now)

    def take(self, part: Building, *, even_empty: bool = False, missing: str | None = None) -> None:
        """`missing`: the child without which the part says nothing, such as an address of which only the time is left."""
        self.notes += part.notes
        node = part.node()
        if (node.children or even_empty) and (missing is None or node.first(missing) is not None):
            self._children.append(node)

    def attribute(self, name: str, value: str | bool | datetime | None) -> None:
        self._attributes |= self._fitting(self._element, {name: value})

    def notes_into(self, name: str, *texts: str) -> None:
        """Texts, and after them what did not fit, as one free text. The notes are told then."""
        notes, self.notes = self.notes, []
        self.put(name, "\n\n".join(cleaned(text).strip() for text in (*texts, *notes) if text.strip()))

    def node(self) -> Node:
        return Node(self._element.name, "", self._attributes, tuple(self._children))

    def _part(self, name: str) -> Element:
        found = self._group.find(name)
        if found is None:
            raise KeyError(f"{self._element.name} has no {name}")
        return found[1]

    def _fitting(self, element: Element, given: Mapping[str, str | bool | datetime | None]) -> dict[str, str]:
        values = {attribute.name: attribute.value for attribute in element.attributes}
        out = {}
        for name, value in given.items():
            if value is None or not (text := _written(value)).strip():
                continue
            if fault_of(values[name], text, self._now) is None:
                out[name] = text
            else:
                self.notes.append(f"{element.name}, {name} as it is recorded, which the form does not take:\n{quoted(text)}")
        return out


def _written(value: str | bool | int | datetime) -> str:
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return cleaned(str(value))
