"""What is said of a match, in words for a reviewer: which hash of which view, how far, from which item of which bank."""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.arbitration import kind_name, named
from nightlight.core.bank import BankKind, Match
from nightlight.core.fingerprint import Variant


def reason(match: Match) -> str:
    where = named(match)
    if match.derived:
        where += ", a part of a confirmed picture"
    if match.bank_kind is BankKind.QUARANTINE:
        where += ", which nobody has reviewed yet"
    name = kind_name(match.kind)
    if match.kind.is_exact:
        return f"its {name} is that of {where}"
    what = f"the {name} of {_view(match)}" if match.variant is not None else f"its {name}"
    unit = "from" if match.kind.is_foreign else "bits from"
    return f"{what} is {match.distance} {unit} {where} (threshold {match.threshold})"


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
