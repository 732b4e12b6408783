"""By what means somebody wants to be paid: words for gift cards, apps and banks, and addresses whose checksum is right.

Only for messages that demand money, but for an address of a cryptocurrency: hardly anybody has an innocent reason to give one to a
child, so it is a weak cue of itself. Only the kind is kept, and where it stands; the address itself stays in the sealed event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.features import Cue, PaymentMeans
from nightlight.senses.text.addresses import addresses
from nightlight.senses.text.fold import Token, fold, origins, tokens
from nightlight.senses.text.lexicon import Lexicon
from nightlight.senses.text.unmask import MASKED, Unmasker

DEMANDS = frozenset({"payment_demand", "repeat_demand"})
"""Cues that carry their means."""

GIVEN = 0.35
"""Strength of an address by itself; chosen, not measured: about a third of a demand in plain words."""

_HANDLE = re.compile(r"(?<![\w$])\$[A-Za-z][A-Za-z0-9_-]{1,19}(?![\w$])")
_REASONS = {PaymentMeans.PAYMENT_HANDLE: "pay handle"}
_MEANS = Path(__file__).with_name("means.toml")


class Payment(Struct, frozen=True):
    """One means and its place: characters of the original text."""

    means: PaymentMeans
    span: tuple[int, int]


class _Words:
    def __init__(self) -> None:
        self.lexicon = Lexicon.load(_MEANS)
        self.unmask = Unmasker(self.lexicon.vocabulary)
        self.reasons = {PaymentMeans(entry.name): entry.reason for entry in self.lexicon.cues} | _REASONS


@cache
def _words() -> _Words:
    return _Words()


def means_in(text: str, folded: str) -> list[Payment]:
    """Every means that a text names, in order, each kind once: for a text that demands money. `folded`: its folded form."""
    known = _words()
    found = [Payment(kind, span) for kind, span in addresses(text)]
    places = origins(text)
    readings: list[Sequence[Token]] = [tokens(folded)]
    if MASKED.search(folded) is not None:
        readings.append(known.unmask.join_letters(known.unmask.tokens(folded)))
    for reading in readings:
        for one in known.lexicon.find([token.word for token in reading]):
            first, last = reading[one.start], reading[one.end - 1]
            found.append(Payment(PaymentMeans(one.entry.name), (places[first.start], places[last.end - 1] + 1)))
    # "$team" is a disguised word and no name.
    handles = [match for match in _HANDLE.finditer(text) if known.unmask.word(fold(match.group())) is None]
    found.extend(Payment(PaymentMeans.PAYMENT_HANDLE, match.span()) for match in handles)
    first_of: dict[PaymentMeans, Payment] = {}
    for payment in sorted(found, key=lambda p: p.span):
        first_of.setdefault(payment.means, payment)
    return list(first_of.values())


def with_means(cues: Sequence[Cue], text: str, folded: str) -> tuple[Cue, ...]:
    """The cues, those that demand money with their means; and a weak demand where an address is given without one."""
    if not any(cue.name in DEMANDS and not cue.means for cue in cues):
        if any(cue.name in DEMANDS for cue in cues):
            return tuple(cues)
        given = [(kind, span) for kind, span in addresses(text) if kind is not PaymentMeans.BANK_TRANSFER]
        if not given:
            return tuple(cues)
        kind, span = given[0]
        own = Cue("payment_demand", GIVEN, span, f"names a wallet: {_words().reasons[kind]}", (kind,))
        return tuple(sorted([*cues, own], key=lambda cue: (cue.span, cue.name)))
    found = means_in(text, folded)
    if not found:
        return tuple(cues)
    return tuple(_carrying(cue, found) if cue.name in DEMANDS and not cue.means else cue for cue in cues)


def _carrying(cue: Cue, found: Sequence[Payment]) -> Cue:
    """One that began in an earlier message, with the place (0, 0), points at the means alone."""
    spans = [payment.span for payment in found] + ([cue.span] if cue.span != (0, 0) else [])
    reasons = _words().reasons
    listed = ", ".join(reasons[payment.means] for payment in found)
    return replace(
        cue,
        span=(min(start for start, _ in spans), max(end for _, end in spans)),
        reason=f"{cue.reason}: {listed}",
        means=tuple(payment.means for payment in found),
    )
