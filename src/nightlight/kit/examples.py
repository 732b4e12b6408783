"""Reads `examples.jsonl` of a detector's folder: what the detector must find, and what it must leave alone."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.core.bank import Bank, BankItem
from nightlight.core.errors import Invalid
from nightlight.core.event import Event
from nightlight.core.harm import Harm, Level


class ExampleKind(StrEnum):
    HIT = "hit"
    """Must reach a level."""
    NEAR_MISS = "near_miss"
    """Looks alike and is not it: must stay at or below a level."""
    BENIGN = "benign"


class BankFixture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bank that exists while the example runs."""

    bank: Bank
    items: tuple[BankItem, ...] = ()


class Example(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `examples.jsonl`. All of it is synthetic and harmless."""

    name: str
    kind: ExampleKind
    why: str
    """What it shows, for the reader of the docs and of a failing test."""
    events: tuple[Event, ...]
    """Wire events, in order."""
    harm: Harm | None = None
    """Hits: the harm that must be found. Elsewhere none: whatever harm is found counts against the example."""
    at_least: Level | None = None
    """Hits."""
    at_most: Level | None = None
    """Near misses and benign ones."""
    banks: tuple[BankFixture, ...] = ()

    @property
    def last(self) -> datetime:
        return max(event.at for event in self.events)


def read_examples(path: Path) -> tuple[Example, ...]:
    """All examples of a file, in order; blank lines are skipped.

    Raises Invalid naming the file, the line and the field. The message says what is wrong, never what the texts say.
    """
    shown = f"{path.parent.name}/{path.name}"
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        raise Invalid(f"{shown}: there is no such file") from None
    found: dict[str, Example] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        example = _read(line, f"{shown}:{number}")
        if example.name in found:
            raise Invalid(f"{shown}:{number}: name: another example is called {example.name!r}", field="name")
        found[example.name] = example
    if not found:
        raise Invalid(f"{shown}: holds no example")
    return tuple(found.values())


def _read(line: bytes, place: str) -> Example:
    try:
        example = msgspec.json.decode(line, type=Example)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        field = at.rstrip("`").lstrip(".") or None
        raise Invalid(f"{place}: {field + ': ' if field else ''}{message}", field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{place}: not JSON: {error}") from None
    for field, wrong in _contradictions(example):
        raise Invalid(f"{place}: {field}: {wrong}", field=field)
    return example


def _contradictions(example: Example) -> list[tuple[str, str]]:
    """Field and what is wrong with it."""
    wrong = [(field, "is empty") for field, value in (("name", example.name), ("why", example.why)) if not value.strip()]
    if not example.events:
        wrong.append(("events", "holds no event"))
    ids = [event.id for event in example.events]
    wrong.extend((f"events[{at}].id", "used by an earlier event of this example") for at, id in enumerate(ids) if id in ids[:at])
    if example.kind is ExampleKind.HIT:
        if example.harm is None:
            wrong.append(("harm", "a hit names the harm to be found"))
        if example.at_least in (None, Level.NONE):
            wrong.append(("at_least", "a hit names the level it must reach, above `none`"))
        if example.at_most is not None:
            wrong.append(("at_most", "a hit has `at_least` instead"))
    else:
        if example.at_most in (None, Level.HIGH):
            wrong.append(("at_most", f"a {example.kind} example names the level it must stay at or below, under `high`"))
        if example.at_least is not None:
            wrong.append(("at_least", f"a {example.kind} example has `at_most` instead"))
        if example.harm is not None:
            wrong.append(("harm", f"a {example.kind} example is held against every harm, so it names none"))
    for at, fixture in enumerate(example.banks):
        for nth, item in enumerate(fixture.items):
            if item.bank != fixture.bank.name:
                wrong.append((f"banks[{at}].items[{nth}].bank", f"says {item.bank!r} within bank {fixture.bank.name!r}"))
    return wrong
