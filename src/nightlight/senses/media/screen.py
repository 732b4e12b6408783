"""From a file's bytes to its fingerprints. Never raises, whatever the bytes."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.senses.media.containers import DECODED, Unreadable, media_type, outside
from nightlight.senses.media.digest import md5, sha256
from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits


class ScreenedMedia(Struct, frozen=True, kw_only=True):
    """What came of a file. `fingerprints` are ready for an event or a bank item: at most 64."""

    sha256: str
    md5: str
    pdq: str | None = None
    """Of the picture as shown; None where there is none, or where a side is shorter than five pixels."""
    quality: int | None = None
    """Of `pdq`, 0 to 100."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """Both byte hashes, then `pdq`, then the PDQ hashes of what other hashers and viewers make of the same file."""
    media_type: str | None = None
    """Read from the bytes: `image/jpeg`."""
    size: int = 0
    """Bytes."""
    width: int = 0
    """Pixels of the picture as shown, before any reduction; 0 where unknown."""
    height: int = 0
    unreadable: str | None = None
    """Why the picture could not be decoded; says nothing of its content."""


def screen_bytes(data: bytes, limits: MediaLimits = DEFAULT_LIMITS) -> ScreenedMedia:
    """Hash and decode. Safe to call from many threads at once; takes the interpreter lock only in passing."""
    exact = Fingerprint(FingerprintKind.SHA256, sha256(data)), Fingerprint(FingerprintKind.MD5, md5(data))
    kind = media_type(data)
    screened = ScreenedMedia(sha256=exact[0].value, md5=exact[1].value, fingerprints=exact, media_type=kind, size=len(data))
    try:
        return _decoded(screened, data, limits)
    except Unreadable as error:
        return replace(screened, unreadable=str(error))
    except Exception:
        # Whatever a decoder raises on hostile bytes is the file's doing. Its message may quote the file, so it goes no further.
        return replace(screened, unreadable="damaged or cut short")


def _decoded(screened: ScreenedMedia, data: bytes, limits: MediaLimits) -> ScreenedMedia:
    if not data:
        raise Unreadable("empty")
    if screened.media_type not in DECODED:
        raise Unreadable("not a JPEG, PNG, GIF or WebP picture")
    if len(data) > limits.max_bytes:
        raise Unreadable(f"larger than {limits.max_bytes} bytes")
    found = outside(data, screened.media_type, limits)

    from nightlight.senses.media.decode import pictures, squashed
    from nightlight.senses.media.pdq import pdq

    primary: tuple[str, int] | None = None
    hashes: dict[str, int] = {}
    for place, picture in enumerate(pictures(found, screened.media_type, limits)):
        small = squashed(picture)
        both = [pdq(picture), pdq(small) if small is not None else None]
        if place == 0:
            primary = both[0]
        for value, quality in filter(None, both):
            hashes.setdefault(value, quality)
    turned = found.orientation in (5, 6, 7, 8)
    return replace(
        screened,
        pdq=primary[0] if primary is not None else None,
        quality=primary[1] if primary is not None else None,
        fingerprints=(*screened.fingerprints, *(Fingerprint(FingerprintKind.PDQ, v, q) for v, q in hashes.items())),
        width=found.height if turned else found.width,
        height=found.width if turned else found.height,
    )


def warm_up() -> None:
    """Load the libraries and compile now rather than with the first picture: seconds the first time on a machine, else half a second."""
    import numpy as np

    from nightlight.senses.media import decode as _decode  # noqa: F401 # loads pillow's decoders
    from nightlight.senses.media.pdq import pdq

    pdq(np.zeros((8, 8, 3), np.uint8))
