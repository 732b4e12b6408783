"""Sealing under the key of a case: AES-256-GCM-SIV, as `adapters.sealer`, with everything that says what a piece is bound to it.

Content is sealed in parts of 1 MiB, each bound to case, item, number and whether it is the last, as in the STREAM construction
(Hoang, Reyhanitabar, Rogaway, Vizár 2015): a part that is moved, dropped, swapped or cut off does not open.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from nightlight.core.errors import Tampered, TooLarge

PART = 1 << 20
"""Bytes of content in one part."""
MOST_BYTES = 8 << 30
"""Of one item: a film of hours. More is a mistake, or somebody who wants the disk full."""
_NONCE, _TAG = 12, 16
_encode = msgspec.msgpack.Encoder().encode


class CaseKey:
    """The key of one case, open in memory."""

    def __init__(self, case: str, key: bytes) -> None:
        self.case = case
        self._aead = AESGCMSIV(key)

    def seal_part(self, plain: bytes, item: str, part: int, last: bool) -> bytes:
        return self._seal(plain, "part", item, part, last)

    def open_part(self, sealed: bytes, item: str, part: int, last: bool) -> bytes:
        return self._open(sealed, "part", item, part, last)

    def seal_label(self, plain: bytes, item: str) -> bytes:
        return self._seal(plain, "label", item, 0, True)

    def open_label(self, sealed: bytes, item: str) -> bytes:
        return self._open(sealed, "label", item, 0, True)

    def _seal(self, plain: bytes, *bound: str | int | bool) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, plain, self._bound(bound))

    def _open(self, sealed: bytes, *bound: str | int | bool) -> bytes:
        if len(sealed) < _NONCE + _TAG:
            raise Tampered("evidence is too short to be whole")
        try:
            return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound(bound))
        except InvalidTag:
            raise Tampered("evidence does not authenticate") from None

    def _bound(self, bound: tuple[str | int | bool, ...]) -> bytes:
        # msgpack of fixed types: every field carries its length, so no two bindings have the same bytes.
        return _encode(("nightlight/vault/1", self.case, *bound))


class Measured:
    """Content in parts, with its size and SHA-256 once all parts were taken."""

    def __init__(self, content: bytes | Iterable[bytes], most: int = MOST_BYTES) -> None:
        self._content = (content,) if isinstance(content, bytes | bytearray | memoryview) else content
        self._most = most
        self._hash = hashlib.sha256()
        self.size = 0
        self.parts = 0

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        """Each part, and whether it is the last. Empty content is one empty part."""
        held = bytearray()
        for given in self._content:
            view = memoryview(given)
            for begin in range(0, len(view), PART):
                held += view[begin : begin + PART]
                while len(held) > PART:  # one part is always held back: only the end tells that it was the last
                    yield self._take(held, PART), False
        yield self._take(held, len(held)), True

    def _take(self, held: bytearray, size: int) -> bytes:
        part = bytes(held[:size])
        del held[:size]
        self._hash.update(part)
        self.size += len(part)
        self.parts += 1
        if self.size > self._most:
            raise TooLarge(f"an item of evidence may have {self._most} bytes at most", field="content")
        return part

    @property
    def sha256(self) -> bytes:
        return self._hash.digest()
