"""From a file's bytes to its fingerprints. Never raises, whatever the bytes."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.senses.media.containers import media_type
from nightlight.senses.media.digest import md5, sha1, sha256
from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits
from nightlight.senses.media.look import Looked, look, warm_up

__all__ = ["ScreenedMedia", "identify", "screen_bytes", "warm_up", "with_look"]


class ScreenedMedia(Struct, frozen=True, kw_only=True):
    """What came of a file. `fingerprints` are ready for an event or a bank item."""

    sha256: str
    md5: str
    pdq: str | None = None
    """Of the picture as shown; None where there is none, or where a side is shorter than five pixels."""
    quality: int | None = None
    """Of `pdq`, 0 to 100."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """The byte hashes, then `pdq`, then the PDQ hashes of what other hashers and viewers make of the same file."""
    media_type: str | None = None
    """Read from the bytes: `image/jpeg`."""
    size: int = 0
    """Bytes."""
    width: int = 0
    """Pixels of the picture as shown, before any reduction; 0 where unknown."""
    height: int = 0
    unreadable: str | None = None
    """Why the picture could not be decoded; says nothing of its content."""
    sha1: str = ""
    frames: tuple[tuple[int, int, str, float], ...] = ()
    """Of a video, all frames that were looked at: number from 0, quality, PDQ hash, seconds."""


def identify(data: bytes) -> ScreenedMedia:
    """What the bytes say without being decoded: their hashes, their type, their size."""
    exact = (
        Fingerprint(FingerprintKind.SHA256, sha256(data)),
        Fingerprint(FingerprintKind.SHA1, sha1(data)),
        Fingerprint(FingerprintKind.MD5, md5(data)),
    )
    return ScreenedMedia(
        sha256=exact[0].value,
        sha1=exact[1].value,
        md5=exact[2].value,
        fingerprints=exact,
        media_type=media_type(data),
        size=len(data),
    )


def with_look(known: ScreenedMedia, looked: Looked) -> ScreenedMedia:
    """Both halves of what came of a file, which may have been found out in two processes."""
    return replace(
        known,
        pdq=looked.pdq,
        quality=looked.quality,
        fingerprints=(*known.fingerprints, *looked.fingerprints),
        width=looked.width,
        height=looked.height,
        unreadable=looked.unreadable,
        frames=looked.frames,
    )


def screen_bytes(data: bytes, limits: MediaLimits = DEFAULT_LIMITS, *, thorough: bool = False) -> ScreenedMedia:
    """Hash and decode in this very process. Safe to call from many threads at once; takes the interpreter lock only in passing.

    A service gives strangers' bytes to `workers.Decoders` instead, which answers the same.
    """
    return with_look(identify(data), look(data, limits, thorough=thorough))
