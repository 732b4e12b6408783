"""Hashes of the very bytes."""

from __future__ import annotations

import hashlib


def sha256(data: bytes) -> str:
    """64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    """32 lower-case hexadecimal digits. Broken as a proof of identity, but lists in the field still carry it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sha1(data: bytes) -> str:
    """40 lower-case hexadecimal digits. Broken as a proof of identity, but lists in the field still carry it."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
