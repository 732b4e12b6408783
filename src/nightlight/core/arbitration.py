"""What the matches of an event's media come to where lists disagree: which one counts, what may be done at most, and why, in words.

Pure, and one answer for everybody: the detector scores and explains by it, and a policy's `match` variables are read from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.bank import Bank, BankAction, BankKind, Category, Match
from nightlight.core.fingerprint import FingerprintKind

_STRENGTH = {BankAction.COUNT: 0, BankAction.REVIEW: 1, BankAction.HOLD: 2, BankAction.BLOCK: 3}
_VERBS = {BankAction.BLOCK: "block", BankAction.HOLD: "hold", BankAction.REVIEW: "review", BankAction.COUNT: "count"}
_NAMES = {FingerprintKind.SHA256: "SHA-256", FingerprintKind.SHA1: "SHA-1", FingerprintKind.MD5: "MD5", FingerprintKind.PDQ: "PDQ hash"}
NOTES = 4
"""Other banks that are named as overruled; more are counted."""


class Outcome(Struct, frozen=True, kw_only=True):
    match: Match
    """The one that counts. Where known false matches silence all, the one that would have counted."""
    action: BankAction
    """The most that may be done for it. `count`: nothing."""
    standing: tuple[Match, ...] = ()
    """Those that no known false match silences, the counted one first; empty where all are silenced."""
    suppressed_by: Match | None = None
    """The known false match that silences them all."""
    paused: bool = False
    """A flood holds what counts: no consequence for any account until a person has looked."""
    notes: tuple[str, ...] = ()
    """Who was overruled and why, in words."""

    @property
    def spares_account(self) -> bool:
        """True where it may never count against an account: what nobody has reviewed, a part of a picture, a flood, a list on trial."""
        m = self.match
        weak = self.paused or m.derived or m.bank_kind is BankKind.QUARANTINE
        return weak or _STRENGTH[self.action] < _STRENGTH[BankAction.HOLD]


def allowed(match: Match) -> BankAction:
    """The most that one match may do by itself: its bank's action, and never more than a hold for what a person must look at first."""
    if match.bank_kind is BankKind.NEGATIVE:
        return BankAction.COUNT
    careful = match.derived or match.paused or match.bank_kind is BankKind.QUARANTINE
    return BankAction.HOLD if careful and match.action is BankAction.BLOCK else match.action


def told(
    match: Match,
    bank: Bank,
    *,
    derived: bool,
    paused: bool,
    overrides_authority: bool,
    category: Category | None,
    generated: bool | None,
) -> Match:
    """A match of the index with what its bank and its item say of it."""
    said = replace(
        match,
        action=bank.action,
        authority=bank.authority,
        share=bank.share,
        derived=derived,
        paused=paused,
        overrides_authority=overrides_authority,
        category=category,
        generated=generated,
    )
    return said if bank.kind is BankKind.NEGATIVE else replace(said, action=allowed(said))


def known_false(matches: Iterable[Match]) -> Match | None:
    """The listing as a known false match that these very bytes have; one that overrides authorities before another.

    By SHA-256 only: files that share an MD5 or SHA-1 can be made to order, and one harmless twin must not whitewash the other.
    """
    found = [m for m in matches if m.bank_kind is BankKind.NEGATIVE and m.kind is FingerprintKind.SHA256]
    return min(found, key=lambda m: (not m.overrides_authority, m.bank, m.item), default=None)


def settles(match: Match) -> bool:
    """Whether a listing leaves a costlier or looser search nothing to add."""
    listed = match.bank_kind in (BankKind.OWN, BankKind.PARTNER) and not match.derived
    return listed and _STRENGTH[match.action] >= _STRENGTH[BankAction.HOLD]


def arbitrate(matches: Sequence[Match]) -> Outcome | None:
    """The outcome of all matches of one event; None where nothing but known false matches was found. The rules, in order:

    1. A known false match of the very bytes (SHA-256) silences every match but those of an authority; where a lead approved that it
       overrides authorities, those too.
    2. A bank that only counts gives way to every other.
    3. An authority's listing of the very bytes wins over everything left.
    4. A reviewed listing of the whole picture goes before a derived part, and that before what nobody has reviewed.
    5. The very same bytes go before a likeness.
    6. An authority's list goes before others.
    7. The stronger action goes before the weaker; then the nearer, one's own bank before a partner's, and the name.
    8. What is paused by a flood, derived, or in quarantine is held at most; so is what a weaker hash finds among known false matches.
    """
    found = sorted((m for m in matches if m.bank_kind is not BankKind.NEGATIVE), key=_order)
    if not found:
        return None
    false = known_false(matches)
    notes: list[str] = []
    standing = found
    if false is not None:
        standing = [m for m in found if m.authority and not false.overrides_authority]
        if not standing:
            return _suppressed(found, false)
        notes.append(f"{named(false)} lists its bytes as a known false match, which no lead approved against an authority's list")
    best = standing[0]
    action = allowed(best)
    paused = _paused(best, standing)
    if paused and _STRENGTH[action] > _STRENGTH[BankAction.HOLD]:
        action = BankAction.HOLD
    doubts = [m for m in matches if m.bank_kind is BankKind.NEGATIVE and m.kind.is_exact]
    weaker = min(doubts, key=lambda m: (m.kind, m.bank, m.item), default=None)
    if weaker is not None and false is None and action is BankAction.BLOCK and not (best.authority and best.kind.is_exact):
        action = BankAction.HOLD
        notes.append(f"held, not blocked: its {kind_name(weaker.kind)} is also that of {named(weaker)}, which lists known false matches")
    if paused:
        notes.append("a flood of matches came from it: held, and no consequence for an account, until a person has looked")
    if best.derived:
        notes.append("a part of a confirmed picture: held for review at most")
    return Outcome(
        match=best,
        action=action,
        standing=tuple(standing),
        paused=paused,
        notes=(*notes, *_overruled(best, action, standing), *_said_of_it(standing)),
    )


def named(match: Match) -> str:
    """The item and its bank in words. Ids that this service gave say themselves what they are."""
    item = match.item if match.item.startswith(("item_", "crop_")) else f"item {match.item}"
    return f"{item} of bank {match.bank}"


def kind_name(kind: FingerprintKind) -> str:
    return _NAMES.get(kind) or f"{kind.value} fingerprint"


def _suppressed(found: Sequence[Match], false: Match) -> Outcome:
    approved = ", and a lead approved that it overrides authorities" if false.overrides_authority and found[0].authority else ""
    note = f"its bytes are {named(false)}, which lists known false matches{approved}"
    return Outcome(match=found[0], action=BankAction.COUNT, suppressed_by=false, notes=(note,))


def _standing_of(match: Match) -> int:
    return 2 if match.bank_kind is BankKind.QUARANTINE else 1 if match.derived else 0


def _ranks(match: Match) -> tuple[bool, bool, int, bool, bool, int]:
    """The rules 2 to 7, smaller first."""
    exact = match.kind.is_exact
    counts = match.action is BankAction.COUNT
    return counts, not (match.authority and exact), _standing_of(match), not exact, not match.authority, -_STRENGTH[allowed(match)]


_WHY = (
    "it only counts",
    "an authority lists the very bytes",
    "a reviewed list of the whole picture goes before it",
    "the very same bytes go before a likeness",
    "an authority's list goes before others",
    "the stronger action goes before the weaker",
)
"""Why the other one won, by the first of `_ranks` that differs."""


def _order(match: Match) -> tuple[object, ...]:
    part = match.variant is not None and match.variant.is_part
    near = match.distance / max(1, match.threshold)
    return *_ranks(match), part, near, match.bank_kind is not BankKind.OWN, match.bank, match.item, match.kind


def _paused(best: Match, standing: Sequence[Match]) -> bool:
    """Whether a flood concerns what counts: its own item, or another listing of the same thing that is as good."""
    if best.paused:
        return True
    if best.authority and best.kind.is_exact:
        return False
    same = _standing_of(best), best.kind.is_exact
    return any(m.paused and (_standing_of(m), m.kind.is_exact) == same for m in standing)


def _overruled(best: Match, action: BankAction, standing: Sequence[Match]) -> list[str]:
    """One line for each other bank that would have something else done."""
    others: dict[str, Match] = {}
    for match in standing[1:]:
        if match.bank != best.bank and allowed(match) is not action:
            others.setdefault(match.bank, match)
    lines = []
    for match in others.values():
        if match.action is BankAction.COUNT and best.action is not BankAction.COUNT:
            lines.append(f"bank {match.bank} has it too and only counts")
            continue
        mine, theirs = _ranks(best), _ranks(match)
        why = next((said for said, a, b in zip(_WHY, mine, theirs, strict=True) if a != b), "its item is held by a flood")
        lines.append(f"bank {match.bank} would {_VERBS[allowed(match)]} it; overruled, because {why}")
    more = len(lines) - NOTES
    return lines if more <= 0 else [*lines[:NOTES], f"{more} more banks were overruled"]


def _said_of_it(standing: Sequence[Match]) -> list[str]:
    """What lists say of the picture, where they differ. It changes nothing that is done: a person decides."""
    categories = {m.category.value: m.bank for m in reversed(standing) if m.category is not None}
    made = {m.generated: m.bank for m in reversed(standing) if m.generated is not None}
    lines = []
    if len(categories) > 1:
        said = ", ".join(f"{category} (bank {bank})" for category, bank in sorted(categories.items()))
        lines.append(f"lists disagree on its category: {said}")
    if len(made) > 1:
        lines.append(f"lists disagree on whether a generative model made it: yes (bank {made[True]}), no (bank {made[False]})")
    return lines
