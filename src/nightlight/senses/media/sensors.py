"""Puts what the banks know of an event's fingerprints into `Features.media`: byte hashes always, likeness where a detector asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from nightlight.core.arbitration import settles
from nightlight.core.bank import BankKind, Match, Searcher
from nightlight.core.event import EventBase, Media, MediaScreened, StreamFrame
from nightlight.core.features import Features, MediaFeatures, Sense, SenseInput
from nightlight.core.fingerprint import Fingerprint, FingerprintKind, Variant


def merged(*found: Sequence[Match]) -> tuple[Match, ...]:
    """Each item once a kind, at its nearest; the nearest first. A match of the whole picture goes before one of a part."""
    best: dict[tuple[str, str, FingerprintKind], Match] = {}
    for match in (m for matches in found for m in matches):
        key = match.bank, match.item, match.kind
        if key not in best or _nearness(match) < _nearness(best[key]):
            best[key] = match
    return tuple(sorted(best.values(), key=lambda m: (m.distance, not m.kind.is_exact, m.bank, m.item, m.kind)))


def _nearness(match: Match) -> tuple[bool, int]:
    return match.variant is not None and match.variant.is_part, match.distance


Search = Callable[[Sequence[Fingerprint]], Sequence[Match]]
SearchMany = Callable[[Sequence[Sequence[Fingerprint]]], Sequence[Sequence[Match]]]


def in_share(bank: str, share: float, event: str) -> bool:
    """Whether an event is among the share of the traffic that is matched against a bank: always, or never.

    By a hash of both names without a key: every process, a replay and a sweep say the same. A larger share holds the smaller one.
    """
    if share >= 1.0:
        return True
    digest = hashlib.blake2b(f"{bank}\0{event}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def counted(match: Match, event: str | None) -> bool:
    """Whether a match may be told at all.

    In quarantine anybody's word is enough to be listed, so it is matched tightly: the picture as shown and what viewers and hashers
    make of the file itself, never what somebody may have done to it, nor a part.
    """
    if event is not None and not in_share(match.bank, match.share, event):
        return False
    return match.bank_kind is not BankKind.QUARANTINE or match.variant is None or match.variant.is_view


def look_up(search: Search, fingerprints: Sequence[Fingerprint], event: str | None = None) -> tuple[Match, ...]:
    """The matches of a file's fingerprints, each saying which view of the picture matched.

    First the bytes and the views that viewers and hashers make of the file. Only where none of them is listed to be held or blocked,
    the views of what somebody may have done to it: a match in a quarantine or negative bank, into which anybody's report may lead, or in
    one that only counts, hides none of those. `event`: its id, for banks that are matched against a share of the events; None: all are.
    """
    return look_up_many(lambda queries: [search(prints) for prints in queries], [fingerprints], event)[0]


def look_up_many(search: SearchMany, queries: Sequence[Sequence[Fingerprint]], event: str | None = None) -> list[tuple[Match, ...]]:
    """What `look_up` gives for each file's fingerprints, in a few searches for all of them."""
    plain = _attributed(search, [[f for f in prints if not f.variant or f.variant.is_view] for prints in queries])
    found = [_told(matches, event) for matches in plain]
    unsettled = [n for n, matches in enumerate(found) if not any(map(settles, matches))]
    changed = _attributed(search, [[f for f in queries[n] if f.variant and not f.variant.is_view] for n in unsettled])
    for n, matches in zip(unsettled, changed, strict=True):
        found[n] = merged(found[n], _told(matches, event))
    return found


def _told(matches: Sequence[Match], event: str | None) -> tuple[Match, ...]:
    return tuple(match for match in matches if counted(match, event))


def _attributed(search: SearchMany, queries: Sequence[Sequence[Fingerprint]]) -> list[tuple[Match, ...]]:
    """One search for all, because most files match nothing; only for a match, one for each view that there is."""
    found: list[tuple[Match, ...]] = [()] * len(queries)
    asked = [n for n, prints in enumerate(queries) if prints]
    for n, together in zip(asked, search([queries[n] for n in asked]) if asked else (), strict=True):
        if not together:
            continue
        views: dict[tuple[Variant | None, float | None], list[Fingerprint]] = {}
        for f in queries[n]:
            views.setdefault((f.variant or None, None if f.seconds is UNSET else f.seconds), []).append(f)
        if len(views) == 1 and (None, None) in views:
            found[n] = merged(together)
            continue
        each = zip(views, search(list(views.values())), strict=True)
        found[n] = merged(*([replace(m, variant=view, seconds=seconds) for m in matches] for (view, seconds), matches in each))
    return found


class _MediaSensor:
    def __init__(self, banks: Searcher) -> None:
        self._banks = banks

    def applies(self, event: EventBase) -> bool:
        return isinstance(event, Media | MediaScreened | StreamFrame)

    def batch(self, inputs: Sequence[SenseInput]) -> list[Features]:
        return [replace(i.features, media=self._look(i.event, i.features.media or _before(i.event))) for i in inputs]

    def _look(self, event: EventBase, known: MediaFeatures) -> MediaFeatures:
        raise NotImplementedError


def _before(event: EventBase) -> MediaFeatures:
    """What an event itself says of its media."""
    if isinstance(event, Media | MediaScreened | StreamFrame):
        return MediaFeatures(fingerprints=event.fingerprints, unreadable=event.unreadable if isinstance(event, MediaScreened) else None)
    return MediaFeatures()


class ExactMatchSensor(_MediaSensor):
    """Looks the byte hashes up: cheap enough for every event."""

    sense = Sense.MATCH_EXACT
    costly = False

    def _look(self, event: EventBase, known: MediaFeatures) -> MediaFeatures:
        return replace(known, matches=merged(known.matches, _told(self._banks.search_exact(known.fingerprints), event.id)))


class LikenessSensor(_MediaSensor):
    """Searches the perceptual hashes: only where a detector wants it."""

    sense = Sense.MATCH_LIKENESS
    costly = True

    def _look(self, event: EventBase, known: MediaFeatures) -> MediaFeatures:
        wanted = [f for f in known.fingerprints if f.is_searchable]
        if not wanted:
            return known
        return replace(known, matches=merged(known.matches, look_up(self._banks.search, wanted, event.id)), likeness_searched=True)
