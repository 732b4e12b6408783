"""Puts what the banks know of an event's fingerprints into `Features.media`: byte hashes always, likeness where a detector asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from nightlight.core.event import EventBase, Media, MediaScreened, StreamFrame
from nightlight.core.features import Features, MediaFeatures, Sense, SenseInput
from nightlight.core.fingerprint import PDQ_MIN_QUALITY, BankKind, Fingerprint, FingerprintIndex, FingerprintKind, Match, Variant


def searchable(fingerprint: Fingerprint) -> bool:
    """True for a perceptual hash with enough structure to be told from others. One sent without its quality is searched."""
    return fingerprint.kind is FingerprintKind.PDQ and (fingerprint.quality is None or fingerprint.quality >= PDQ_MIN_QUALITY)


def merged(*found: Sequence[Match]) -> tuple[Match, ...]:
    """Each item once a kind, at its nearest; the nearest first. A match of the whole picture goes before one of a part."""
    best: dict[tuple[str, str, FingerprintKind], Match] = {}
    for match in (m for matches in found for m in matches):
        key = match.bank, match.item, match.kind
        if key not in best or _nearness(match) < _nearness(best[key]):
            best[key] = match
    return tuple(sorted(best.values(), key=lambda m: (m.distance, m.kind is FingerprintKind.PDQ, m.bank, m.item, m.kind)))


def _nearness(match: Match) -> tuple[bool, int]:
    return match.variant is not None and match.variant.is_part, match.distance


Search = Callable[[Sequence[Fingerprint]], Sequence[Match]]
_LISTED = (BankKind.OWN, BankKind.PARTNER)


def look_up(search: Search, fingerprints: Sequence[Fingerprint]) -> tuple[Match, ...]:
    """The matches of a file's fingerprints, each saying which view of the picture matched.

    First the bytes and the views that viewers and hashers make of the file. Only where none of them is listed, the views of what
    somebody may have done to it: a match in a quarantine or negative bank, into which anybody's report may lead, hides none of those.
    """
    plain = [f for f in fingerprints if not f.variant or f.variant.is_view]
    found = _attributed(search, plain)
    if not any(match.bank_kind in _LISTED for match in found):
        found = merged(found, _attributed(search, [f for f in fingerprints if f.variant and not f.variant.is_view]))
    return found


def _attributed(search: Search, fingerprints: Sequence[Fingerprint]) -> tuple[Match, ...]:
    """One search for all, because most files match nothing; only for a match, one for each view that there is."""
    if not fingerprints or not (together := search(fingerprints)):
        return ()
    views: dict[tuple[Variant | None, float | None], list[Fingerprint]] = {}
    for f in fingerprints:
        views.setdefault((f.variant or None, None if f.seconds is UNSET else f.seconds), []).append(f)
    if len(views) == 1 and (None, None) in views:
        return merged(together)
    return merged(
        *([replace(match, variant=view, seconds=seconds) for match in search(prints)] for (view, seconds), prints in views.items())
    )


class _MediaSensor:
    def __init__(self, index: FingerprintIndex) -> None:
        self._index = index

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
        return replace(known, matches=merged(known.matches, self._index.search_exact(known.fingerprints)))


class LikenessSensor(_MediaSensor):
    """Searches the perceptual hashes: only where a detector wants it."""

    sense = Sense.MATCH_LIKENESS
    costly = True

    def _look(self, event: EventBase, known: MediaFeatures) -> MediaFeatures:
        wanted = [f for f in known.fingerprints if searchable(f)]
        if not wanted:
            return known
        return replace(known, matches=merged(known.matches, look_up(self._index.search, wanted)), likeness_searched=True)
