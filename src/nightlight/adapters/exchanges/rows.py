"""From a list's own words to fingerprints, labels and ids. What is not usable becomes None, never an exception."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

from nightlight.core.bank import Category
from nightlight.core.fingerprint import LEAST_DIGITS, MOST_DIGITS, Fingerprint, FingerprintKind

_OURS = {
    "pdq": FingerprintKind.PDQ,
    "md5": FingerprintKind.MD5,
    "sha1": FingerprintKind.SHA1,
    "sha256": FingerprintKind.SHA256,
}
_FOREIGN = {
    "pdna": "x-photodna",
    "photodna": "x-photodna",
    "ssvhpdna": "x-ssvh-pdna",
    "ssvhsaferhash": "x-ssvh-safer-hash",
    "netclean": "x-netclean",
    "videntifier": "x-videntifier",
    "tmk": "x-tmk",
    "tmkpdqf": "x-tmk",
    "pdqocr": "x-pdq-ocr",
}
_NO_HASH = frozenset(("text", "textstring", "rawtext", "url", "uri", "rawuri", "urlmd5", "trendquery", "unknown"))
"""Kinds of the peers that are no hash of a picture or video. `url_md5` is the hash of a link."""
_MOST_LABELS, _MOST_LABEL, _MOST_SOURCE = 32, 80, 160
_HEX = re.compile(r"[0-9a-f]+")


def kind_of(name: str) -> FingerprintKind | None:
    """`pdq`, `HASH_VIDEO_MD5`, `ImagePDQ`, `PDNA`, ... None for what is no hash of a picture or video."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in _NO_HASH:
        return None
    plain = re.sub(r"^(hash)?(image|video)?", "", plain)
    if plain in _NO_HASH or not plain:
        return None
    if plain in _OURS:
        return _OURS[plain]
    try:
        return FingerprintKind(_FOREIGN.get(plain, f"x-{plain}"))
    except ValueError:
        return None


def fingerprint(kind: FingerprintKind, value: str, quality: int | None = None) -> Fingerprint | None:
    """None where the value is not what the kind is written like. Foreign kinds may be hexadecimal, decimal bytes or base64."""
    value = value.strip()
    if kind.is_foreign:
        hexed = _hexed(value)
        return None if hexed is None else Fingerprint(kind, hexed)
    value = value.lower()
    if not kind.fits(value):
        return None
    kept = quality if kind is FingerprintKind.PDQ and quality is not None and 0 <= quality <= 100 else None
    return Fingerprint(kind, value, kept)


def _hexed(value: str) -> str | None:
    if len(value) > MOST_DIGITS * 4:
        return None
    low = value.lower()
    if len(low) % 2 == 0 and _HEX.fullmatch(low):
        found = low
    elif "," in value:  # as PhotoDNA is often written: 144 numbers of 0 to 255
        numbers = [n.strip() for n in value.split(",")]
        if not all(n.isascii() and n.isdigit() and len(n) <= 3 and int(n) < 256 for n in numbers):
            return None
        found = bytes(map(int, numbers)).hex()
    else:
        try:
            found = base64.b64decode(value, validate=True).hex()
        except (binascii.Error, ValueError):
            return None
    return found if LEAST_DIGITS <= len(found) <= MOST_DIGITS else None


def category_of(text: str | None) -> Category | None:
    try:
        return Category((text or "").strip().upper())
    except ValueError:
        return None


def labels_of(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Short printable ones, each once, at most 32."""
    clean = ("".join(c for c in (t or "").strip() if c.isprintable())[:_MOST_LABEL] for t in texts)
    return tuple(dict.fromkeys(t for t in clean if t))[:_MOST_LABELS]


def source_of(kind: str, id: str) -> str:
    """The id under which the bank keeps it. One that is long, or odd, is replaced by its SHA-256."""
    fits = len(id) <= _MOST_SOURCE and id.isprintable() and id.isascii()
    return f"{kind}:{id}" if fits else f"{kind}:{digest(id)}"


def digest(*parts: str) -> str:
    """Stands for a hash where it must not be readable: an item's id is shown to more people than its fingerprints."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:40]
