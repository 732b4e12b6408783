"""Puts what the banks know of an event's fingerprints into `Features.media`: byte hashes always, likeness where a detector asks."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from nightlight.core.event import EventBase, Media, MediaScreened, StreamFrame
from nightlight.core.features import Features, MediaFeatures, Sense, SenseInput
from nightlight.core.fingerprint import PDQ_MIN_QUALITY, Fingerprint, FingerprintIndex, FingerprintKind, Match


def searchable(fingerprint: Fingerprint) -> bool:
    """True for a perceptual hash with enough structure to be told from others. One sent without its quality is searched."""
    return fingerprint.kind is FingerprintKind.PDQ and (fingerprint.quality is None or fingerprint.quality >= PDQ_MIN_QUALITY)


def merged(*found: Sequence[Match]) -> tuple[Match, ...]:
    """Each item once a kind, at its nearest; the nearest first."""
    best: dict[tuple[str, str, FingerprintKind], Match] = {}
    for match in (m for matches in found for m in matches):
        key = match.bank, match.item, match.kind
        if key not in best or match.distance < best[key].distance:
            best[key] = match
    return tuple(sorted(best.values(), key=lambda m: (m.distance, m.kind is FingerprintKind.PDQ, m.bank, m.item, m.kind)))


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
        return replace(known, matches=merged(known.matches, self._index.search(wanted)), likeness_searched=True)
