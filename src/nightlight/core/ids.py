"""Identifiers: random ones that sort by time, and keyed pseudonyms."""

from __future__ import annotations

import hashlib
import os
import re
import time
from base64 import b32encode
from typing import Literal

from nightlight.core.errors import Invalid

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

# C0, DEL, C1, line separators and the marks that reorder what a reviewer sees: two ids that look alike would not be alike.
_UNFIT_SIGNS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_UNFIT = re.compile(rf"[{_UNFIT_SIGNS}\ud800-\udfff]")

ID_PATTERN = f"^[^{_UNFIT_SIGNS}]+$"
"""What an id may be, as the published schemas say it (a lone surrogate is in no JSON text that can be read)."""


def fit_for_id(value: str, field: str) -> str:
    """An id of the service's own, as it is. Raises Invalid naming the field. Made for every account of every question and event."""
    # `isprintable` is one pass in C and true of nearly every id; what it refuses beyond our list (rare joiners) may pass.
    if not value.isprintable() and _UNFIT.search(value):
        raise Invalid("an id may not hold control characters, line separators, or marks that reorder text", field=field)
    return value


def new_id(prefix: str) -> str:
    """A fresh id such as `case_01jd...`: 48 bits of milliseconds then 80 random bits, in Crockford base 32, so ids sort by age."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    digits = []
    for _ in range(26):
        digits.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"


def age_of(id: str) -> float:
    """When `new_id` made it, in seconds since 1970; 0 for what it did not make."""
    digits = id.rpartition("_")[2]
    if len(digits) != 26 or any(d not in _ALPHABET for d in digits):
        return 0.0
    number = 0
    for digit in digits:
        number = number << 5 | _ALPHABET.index(digit)
    return (number >> 80) / 1000


class Pseudonymiser:
    """Turns a service's own ids into keyed pseudonyms: stable for one key, meaningless without it.

    Keyed BLAKE2b, 100 bits shown: a collision among 10^9 accounts has a chance below 10^-12.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, kind: Literal["account", "conversation"], value: str) -> str:
        digest = hashlib.blake2b(f"{kind}\0{value}".encode(), key=self._key, digest_size=15).digest()
        return ("p_" if kind == "account" else "c_") + b32encode(digest).decode().lower()[:20]
