"""Helplines as a page shows them: an operator's own first, then those of the country, then those for everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from nightlight.core.decision import Helpline
from nightlight.core.helplines import HelplineBook, HelplineEntry, Need

OWN = frozenset({Need.CHILD, Need.SELF_HARM})
"""What an operator's own lines are for; they do not say."""


class Line(Struct, frozen=True, kw_only=True):
    name: str
    phone: str | None = None
    call: str | None = None
    """Where touching the number leads."""
    text: str | None = None
    write: str | None = None
    web: str | None = None
    always: bool = False
    contact: str | None = None
    """What is neither a number nor an address: shown as it is."""


def lines_for(book: HelplineBook, own: Sequence[Helpline], place: str, needs: Sequence[Need]) -> list[Line]:
    """Each once, in the order of `needs`. An operator's line without a place is for everywhere."""
    found: list[Line] = []
    seen: set[str] = set()
    first = next((need for need in needs if need in OWN), None)
    for need in needs:
        if need is first:
            found += [of_operator(line) for line in own if line.place is None or line.place[:2] == place]
        for entry in book.lines(place or None, need):
            if entry.id not in seen:
                seen.add(entry.id)
                found.append(of_book(entry))
    return found


def of_book(entry: HelplineEntry) -> Line:
    return Line(
        name=entry.name,
        phone=entry.phone,
        call=dialled("tel:", entry.phone),
        text=entry.text,
        write=dialled("sms:", entry.text),
        web=entry.web,
        always=entry.always,
    )


def of_operator(line: Helpline) -> Line:
    contact = line.contact.strip()
    if re.fullmatch(r"\+?[0-9*][0-9 *()./-]{1,24}", contact):
        return Line(name=line.name, phone=contact, call=dialled("tel:", contact))
    if re.fullmatch(r"https?://[^\s\"'<>]+", contact):
        return Line(name=line.name, web=contact)
    if re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s\"'<>]*)?", contact, re.IGNORECASE):
        return Line(name=line.name, web="https://" + contact)
    return Line(name=line.name, contact=contact)


def dialled(kind: str, number: str | None) -> str | None:
    # A star is dialled as it is; only `#` would have to be escaped, and no entry has one.
    return None if number is None else kind + re.sub(r"[^0-9+*]", "", number)
