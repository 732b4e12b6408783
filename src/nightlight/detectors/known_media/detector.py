"""Known material: what a bank holds, or what looks like it within the bank's threshold.

A bank's listing is itself the judgement of a person elsewhere, so the score says how surely the listed picture was shared: the first
match counts in full, and a weaker one after it takes nothing away. What accumulates is what an account shares over all conversations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nightlight.core.detect import Absorption, BaseDetector, Fact, Key, KeyKind, Observation, load_card
from nightlight.core.event import EventBase
from nightlight.core.features import Features, MediaFeatures, Sense
from nightlight.core.fingerprint import PDQ_MIN_QUALITY, BankKind, Fingerprint, FingerprintKind, Match, Variant
from nightlight.core.harm import Harm
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

SAME_BYTES = 1.0
NEAREST_LIKENESS, FARTHEST_LIKENESS = 0.95, 0.8
"""From no bit apart to just within the threshold: always a reviewer's matter (0.75), never quite the certainty of equal bytes."""
PART_OF_IT = 0.8
"""At most, where the match is of a part: a rectangle of another picture can be a shared background or a sticker. A reviewer's matter."""
AWAITING_REVIEW = 0.6
"""A quarantine bank holds what people reported of themselves and nobody has looked at: enough to hold for review, and no more."""

SEVERAL: Mapping[int, float] = {2: 0.6, 3: 0.75}
"""Different listed pictures by one account, and the score of the account. One may be bait or ignorance; three are a reviewer's matter."""
EACH_MORE, MOST = 0.05, 0.95

EVIDENCE = 8
"""Matches named as evidence, the strongest first."""
ITEMS_REMEMBERED = 8
"""Items remembered of one conversation, the latest met."""
ACCOUNT_ITEMS_REMEMBERED = 32
"""Different items remembered of one account; more change no score."""

_LISTED = (BankKind.OWN, BankKind.PARTNER)
_RANK = {kind: rank for rank, kind in enumerate((BankKind.OWN, BankKind.PARTNER, BankKind.QUARANTINE, BankKind.NEGATIVE))}


class Sharing(Struct, frozen=True, tag="direction"):
    """What one author shared in one conversation."""

    matches: int


class Met(Struct, frozen=True, tag="conversation"):
    """What was met in one conversation, whoever shared it."""

    items: tuple[tuple[int, float], ...]
    """Mark and highest score of the items met last, at most eight."""


class Uploader(Struct, frozen=True, tag="account"):
    """What one account shared in all of them. Quarantine banks do not count here: anybody can report anything."""

    matches: int
    items: tuple[int, ...]
    """Marks of the different items, at most 32."""


class Seen(Struct, frozen=True, tag="media"):
    """How often one banked item was met."""

    times: int


class _Version1(Struct, frozen=True):
    """States before the items were told apart. Every kind of key had one number, and conversations had no memory."""

    count: int


class KnownMedia(BaseDetector):
    card = load_card(Path(__file__).parent)
    state_type: Any = Sharing | Met | Uploader | Seen

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (Key.direction(event), Key.conversation(event)) if features.media is not None else ()

    def new(self, key: Key) -> Sharing | Met | Uploader | Seen:
        match key.kind:
            case KeyKind.ACCOUNT:
                return Uploader(0, ())
            case KeyKind.MEDIA:
                return Seen(0)
            case KeyKind.CONVERSATION:
                return Met(())
            case _:
                return Sharing(0)

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        """Likeness only where the bytes settle nothing and the picture has structure enough to be told from others."""
        media = features.media
        if media is None or media.likeness_searched or not any(map(_searchable, media.fingerprints)):
            return frozenset()
        settled = any(m.kind.is_exact and m.bank_kind in _LISTED for m in media.matches) or _known_false(media) is not None
        return frozenset() if settled else frozenset({Sense.MATCH_LIKENESS})

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        media = features.media
        direction, conversation = Key.direction(event), Key.conversation(event)
        if media is None or direction not in states or conversation not in states:
            return Observation()
        found = sorted((m for m in media.matches if m.bank_kind is not BankKind.NEGATIVE), key=_strongest_first)
        if not found:
            return Observation()
        false = _known_false(media)
        if false is not None:
            return Observation(signals=(self._suppressed(event, found[0], false),))
        sharing, met = Sharing(states[direction].matches + 1), _meet(states[conversation], found[0])
        return Observation(
            states={direction: sharing, conversation: met},
            signals=(self._signal(event, found, sharing, met),),
            facts=self._facts(event, found[0]),
        )

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        if isinstance(state, Seen):
            return Absorption(state=Seen(state.times + 1))
        mark, items = _mark(fact.other or ""), state.items
        if mark not in items and len(items) < ACCOUNT_ITEMS_REMEMBERED:
            items = (*items, mark)
        new = Uploader(state.matches + 1, items)
        summary = {"matches": float(new.matches), "items": float(len(new.items))}
        return Absorption(state=new, summary=summary, signals=self._about_account(new, fact))

    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        if version != 1:
            return super().upgrade(version, raw, key)
        count = msgspec.msgpack.decode(raw, type=_Version1).count
        match key.kind:
            case KeyKind.MEDIA:
                return Seen(count)
            case KeyKind.ACCOUNT:
                return Uploader(count, ())  # which items they were is not known: counting any would claim what nobody can show
            case KeyKind.DIRECTION:
                return Sharing(count)
            case _:
                return super().upgrade(version, raw, key)

    def _signal(self, event: EventBase, found: Sequence[Match], sharing: Sharing, met: Met) -> Signal:
        reasons = [_reason(match) for match in found[:EVIDENCE]]
        if sharing.matches > 1:
            reasons[0] += f"; match number {sharing.matches} by this account in this conversation"
        return Signal(
            subject=_subject(found[0]),
            harm=Harm.KNOWN_MATERIAL,
            score=met.items[-1][1],
            evidence=tuple(Evidence(event.id, reason, match=match) for reason, match in zip(reasons, found, strict=False)),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            actor=event.actor.account,
            protects=next((target.account for target in event.targets if target.age_band.is_minor), None),
        )

    def _suppressed(self, event: EventBase, match: Match, false: Match) -> Signal:
        reason = (
            f"not counted: its bytes are item {false.item} of bank {false.bank}, which lists known false matches; else {_reason(match)}"
        )
        return Signal(
            subject=_subject(match),
            harm=Harm.KNOWN_MATERIAL,
            score=0.0,
            evidence=(Evidence(event.id, reason, match=false),),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            actor=event.actor.account,
            abstained=True,
        )

    def _facts(self, event: EventBase, match: Match) -> tuple[Fact, ...]:
        item, account = _item(match), event.actor.account

        def fact(key: Key, name: str, other: str) -> Fact:
            return Fact(key=key, name=name, at=event.at, event=event.id, detector=self.card.name, other=other, value=_score(match))

        seen = fact(Key.media(item), "seen", account)
        return (seen, fact(Key.account(account), "shared", item)) if match.bank_kind in _LISTED else (seen,)

    def _about_account(self, state: Uploader, fact: Fact) -> tuple[Signal, ...]:
        different = len(state.items)
        if different < min(SEVERAL):
            return ()
        most = max(SEVERAL)
        score = SEVERAL[different] if different < most else min(MOST, SEVERAL[most] + EACH_MORE * (different - most))
        reason = f"this account shared at least {different} different listed pictures, over all its conversations"
        return (
            Signal(
                subject=Subject(SubjectKind.ACCOUNT, fact.key.id),
                harm=Harm.KNOWN_MATERIAL,
                score=score,
                evidence=(Evidence(fact.event, reason),),
                at=fact.at,
                detector=self.card.name,
                version=self.card.version,
                actor=fact.key.id,
            ),
        )


def _searchable(fingerprint: Fingerprint) -> bool:
    return fingerprint.kind is FingerprintKind.PDQ and (fingerprint.quality is None or fingerprint.quality >= PDQ_MIN_QUALITY)


def _known_false(media: MediaFeatures) -> Match | None:
    """The listing as a known false match that these very bytes have.

    By SHA-256 only: files that share an MD5 or SHA-1 can be made to order, and one harmless twin must not whitewash the other.
    """
    return next((m for m in media.matches if m.bank_kind is BankKind.NEGATIVE and m.kind is FingerprintKind.SHA256), None)


def _score(match: Match) -> float:
    if match.bank_kind is BankKind.QUARANTINE:
        return AWAITING_REVIEW
    if match.kind.is_exact:
        return SAME_BYTES
    likeness = NEAREST_LIKENESS - (NEAREST_LIKENESS - FARTHEST_LIKENESS) * (match.distance / max(1, match.threshold))
    return min(PART_OF_IT, likeness) if match.variant is not None and match.variant.is_part else likeness


def _strongest_first(match: Match) -> tuple[float, int, int, str, str, str]:
    return -_score(match), match.distance, _RANK[match.bank_kind], match.bank, match.item, match.kind


def _item(match: Match) -> str:
    return f"{match.bank}/{match.item}"


def _subject(match: Match) -> Subject:
    return Subject(SubjectKind.MEDIA, _item(match))


def _reason(match: Match) -> str:
    where = f"item {match.item} of bank {match.bank}"
    if match.bank_kind is BankKind.QUARANTINE:
        where += ", which nobody has reviewed yet"
    name = {FingerprintKind.SHA256: "SHA-256", FingerprintKind.SHA1: "SHA-1", FingerprintKind.MD5: "MD5", FingerprintKind.PDQ: "PDQ hash"}
    if match.kind.is_exact:
        return f"its {name[match.kind]} is that of {where}"
    if match.variant is not None:
        return f"the {name[match.kind]} of {_view(match)} is {match.distance} bits from {where} (threshold {match.threshold})"
    return f"its {name[match.kind]} is {match.distance} bits from {where} (threshold {match.threshold})"


_SAID: Mapping[Variant, str] = {
    Variant.SQUASHED: "the picture sampled at 512x512",
    Variant.ON_BLACK: "the picture on black",
    Variant.OPAQUE: "the picture as if nothing of it were transparent",
    Variant.AS_STORED: "the picture as stored, not turned",
    Variant.FRAME: "one of its frames",
    Variant.TRIMMED: "the picture without its border",
    Variant.MIRRORED: "its mirrored copy",
    Variant.UPSIDE_DOWN: "its copy mirrored from top to bottom",
    Variant.TURNED_90: "its copy turned a quarter clockwise",
    Variant.TURNED_180: "its copy turned upside down",
    Variant.TURNED_270: "its copy turned a quarter counter-clockwise",
    Variant.TRANSPOSED: "its copy mirrored about a diagonal",
    Variant.TRANSVERSED: "its copy mirrored about the other diagonal",
    Variant.LEVELLED: "its copy turned by a few degrees",
    Variant.WIDENED: "the picture with a margin in place of what may be cropped",
    Variant.QUADRANT: "a quarter of it",
    Variant.INNER: "a rectangle within it",
}


def _view(match: Match) -> str:
    if match.variant is Variant.FRAME and match.seconds is not None:
        return f"its frame at {match.seconds:.1f} s"
    return _SAID[match.variant] if match.variant is not None else "the picture"


def _mark(item: str) -> int:
    """48 bits that stand for an item: two of a few dozen are the same less than once in 10^11."""
    return int.from_bytes(hashlib.blake2b(item.encode(), digest_size=6).digest(), "big")


def _meet(met: Met, match: Match) -> Met:
    """The item moves to the end of those met, with the highest score it had."""
    mark = _mark(_item(match))
    best = max([_score(match), *(score for known, score in met.items if known == mark)])
    others = tuple(item for item in met.items if item[0] != mark)
    return Met((*others, (mark, best))[-ITEMS_REMEMBERED:])
