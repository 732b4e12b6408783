"""What only the decoded pixels tell of a file. Runs where decoding is allowed to go wrong: in a worker process, or in the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct

from nightlight.core.fingerprint import PDQ_MIN_QUALITY, Fingerprint, FingerprintKind, Variant
from nightlight.senses.media.containers import PICTURES, VIDEOS, Outside, Unreadable, media_type, outside
from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits

if TYPE_CHECKING:
    from nightlight.senses.media.decode import Picture
    from nightlight.senses.media.video import Seen

SAME_FRAME = 8
"""Bits within which two frames of a video are one for a search: what is within the threshold of one is hardly beyond it of the other."""


class Looked(Struct, frozen=True, kw_only=True):
    """What came of decoding. The service reads it from a process that it does not trust: numbers and hexadecimal digits only."""

    pdq: str | None = None
    quality: int | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    width: int = 0
    height: int = 0
    frames: tuple[tuple[int, int, str, float], ...] = ()
    """Of a video, all that were looked at: number, quality, PDQ hash, seconds."""
    unreadable: str | None = None


def look(data: bytes, limits: MediaLimits, *, thorough: bool = False) -> Looked:
    """Decode and hash. Never raises, whatever the bytes. `thorough` adds the views that only a lookup needs."""
    try:
        return _decoded(data, limits, thorough)
    except Unreadable as error:
        return Looked(unreadable=str(error))
    except MemoryError:
        return Looked(unreadable="needs more memory than a decoder may take")
    except PermissionError:
        # Either the file has taken the decoder over, or the decoder lacks something that should have been loaded before it was confined.
        return Looked(unreadable="its decoder tried what a decoder may not do")
    except Exception:
        # Whatever a decoder raises on hostile bytes is the file's doing. Its message may quote the file, so it goes no further.
        return Looked(unreadable="damaged or cut short")


def _decoded(data: bytes, limits: MediaLimits, thorough: bool) -> Looked:
    if not data:
        raise Unreadable("empty")
    kind = media_type(data)
    if kind not in PICTURES | VIDEOS:
        raise Unreadable("not a picture or video of a type that is decoded")
    most = limits.max_bytes_video if kind in VIDEOS else limits.max_bytes
    if len(data) > most:
        raise Unreadable(f"larger than {most} bytes")
    if kind in VIDEOS:
        return _video(data, kind, limits)
    return _picture(outside(data, kind, limits), kind, limits, thorough)


class _Hashes:
    """Hashes in the order in which they were taken, each once, under the first view that had it."""

    def __init__(self) -> None:
        self.known: dict[str, Fingerprint] = {}

    def put(self, hashed: tuple[str, int] | None, variant: Variant | None) -> None:
        if hashed is not None:
            self.known.setdefault(hashed[0], Fingerprint(FingerprintKind.PDQ, *hashed, variant or UNSET))

    def put_searchable(self, hashed: tuple[str, int] | None, variant: Variant) -> None:
        """What is made for a lookup alone is kept only where a search would take it."""
        if hashed is not None and hashed[1] >= PDQ_MIN_QUALITY:
            self.put(hashed, variant)


def _picture(found: Outside, kind: str, limits: MediaLimits, thorough: bool) -> Looked:
    from nightlight.senses.media.decode import pictures
    from nightlight.senses.media.pdq import pdq
    from nightlight.senses.media.views import squashed, trimmed

    hashes = _Hashes()
    first: Picture | None = None
    primary: tuple[str, int] | None = None
    for view, picture in pictures(found, kind, limits):
        hashed, small = pdq(picture), squashed(picture)
        hashes.put(hashed, view)
        if small is not None:
            hashes.put(pdq(small), view or Variant.SQUASHED)
        if first is None:
            first, primary = picture, hashed
    # Some decoders turn by themselves, so what came out says which side is which.
    turned = first is not None and (first.shape[1] - first.shape[0]) * (found.width - found.height) < 0
    if first is not None and primary is not None:
        inside = trimmed(first)
        if inside is not None:
            hashes.put(pdq(inside), Variant.TRIMMED)
        if thorough:
            _changed(first, hashes)
    return Looked(
        pdq=primary[0] if primary is not None else None,
        quality=primary[1] if primary is not None else None,
        fingerprints=tuple(hashes.known.values()),
        width=found.height if turned else found.width,
        height=found.width if turned else found.height,
    )


def pdq_of(data: bytes, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[str, int] | None:
    """The PDQ hash and quality of the picture as shown, and nothing else; None where it has none. Raises what decoding raises."""
    from nightlight.senses.media.decode import pictures
    from nightlight.senses.media.pdq import pdq

    kind = media_type(data)
    if kind not in PICTURES:
        raise Unreadable("not a picture of a type that is decoded")
    return pdq(next(picture for _, picture in pictures(outside(data, kind, limits), kind, limits)))


def _changed(picture: Picture, hashes: _Hashes) -> None:
    """The views of what somebody may have done to a banked picture: turned or mirrored it, or placed it in another."""
    from nightlight.senses.media.pdq import WAYS, pdq, pdq_dihedral
    from nightlight.senses.media.views import changed_views

    eight = pdq_dihedral(picture)
    if eight is not None:
        for value, variant in zip(eight[0], WAYS, strict=True):
            if variant is not None:
                hashes.put_searchable((value, eight[1]), variant)
    for variant, view in changed_views(picture):
        hashes.put_searchable(pdq(view), variant)


def _video(data: bytes, kind: str, limits: MediaLimits) -> Looked:
    from nightlight.senses.media.video import watch

    seen = watch(data, kind, limits)
    shown = next((frame for frame in seen.frames if frame.quality >= PDQ_MIN_QUALITY), seen.frames[0])
    return Looked(
        pdq=shown.pdq,
        quality=shown.quality,
        fingerprints=searched(seen.frames, limits.video_frames),
        width=seen.width,
        height=seen.height,
        frames=tuple((frame.frame, frame.quality, frame.pdq, frame.seconds) for frame in seen.frames),
        unreadable=seen.left_out,
    )


def searched(frames: Iterable[Seen], most: int) -> tuple[Fingerprint, ...]:
    """The frames of a video that differ and have structure enough to be searched; spread evenly where there are more than `most`."""
    kept: list[tuple[int, Fingerprint]] = []
    for frame in frames:
        bits = int(frame.pdq, 16)
        if frame.quality >= PDQ_MIN_QUALITY and all((bits ^ other).bit_count() > SAME_FRAME for other, _ in kept):
            kept.append((bits, Fingerprint(FingerprintKind.PDQ, frame.pdq, frame.quality, Variant.FRAME, frame.seconds)))
    if len(kept) > most:
        kept = [kept[place * len(kept) // most] for place in range(most)]
    return tuple(fingerprint for _, fingerprint in kept)


def warm_up() -> None:
    """Load the libraries and compile now rather than with the first picture: seconds the first time on a machine, else half a second.

    A little file of each kind is made and looked at, because decoders load parts of themselves only when they meet such a file, and a
    confined process can load nothing any more.
    """
    from nightlight.senses.media.samples import little_pictures, little_videos

    for data in (*little_pictures(), *little_videos()):
        look(data, DEFAULT_LIMITS, thorough=True)
