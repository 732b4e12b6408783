"""`KeyFileSealer`: the default sealer, whose keys lie in one file that only its owner may read.

AES-256-GCM-SIV (RFC 8452) rather than plain GCM: nonces are random, and under plain GCM a random 96-bit nonce is safe for 2^32
messages a key (NIST SP 800-38D, 8.3), which a service that seals 3,000 times a second passes in 17 days. SIV keeps its promise
far beyond that and loses next to nothing should a nonce ever repeat. It costs about 3.5 microseconds for a chat message.

A sealed blob is: one byte naming the key, 12 bytes of nonce, ciphertext and tag. Sealing keys rotate: the newest seals, all open.
The root secret never rotates, because pseudonyms, commitments and the audit chain must stay comparable for years; every purpose
gets a subkey of its own by HKDF-SHA256, so that none can stand in for another.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from nightlight.adapters.durable import create_private, write_private
from nightlight.core.errors import Conflict, NightlightError, Tampered
from nightlight.core.ports import Sealer

_NONCE = 12
_TAG = 16
_KEY = 32
_MOST_KEYS = 255


class KeysMissing(NightlightError):
    """The key file is not where it should be, or must not be used as it is. Nothing sealed can be opened without it."""

    code = "keys_missing"


class Keyring(Sealer, Protocol):
    """A sealer that also hands out subkeys. What the store needs for pseudonyms, API keys and the audit chain."""

    def derive(self, purpose: str) -> bytes:
        """A 32-byte subkey, the same every time for one purpose and unrelated to any other."""
        ...

    @property
    def key_ids(self) -> tuple[int, ...]:
        """The ids of the sealing keys, oldest first. Ids say nothing of the keys: they may stand in a backup's manifest."""
        ...


class SealingKey(Struct, frozen=True):
    id: int
    key: bytes
    created_at: datetime


class KeyFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The key file, as JSON; bytes are base64."""

    format: int
    root: bytes
    sealing: tuple[SealingKey, ...]


class KeyFileSealer:
    """Seals under the newest key of the file at `path`. Safe to use from several threads.

    Where the file does not exist it is created, readable by its owner alone; `create=False` raises KeysMissing instead. Pass
    `create=False` wherever sealed data exists already: a fresh key would open none of it.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = Lock()
        if not path.exists():
            if not create:
                raise KeysMissing(
                    f"the key file {path.name} is missing and there is sealed data that only it can open: "
                    "put it back from where you keep your keys (backups leave keys out unless they were asked for)"
                )
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_private(path, _json(KeyFile(format=1, root=os.urandom(_KEY), sealing=(_new_key(1),))))
        self._load()

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._prefix + nonce + self._newest.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        if len(sealed) < 1 + _NONCE + _TAG:
            raise Tampered("sealed content is too short to be whole")
        cipher = self._ciphers.get(sealed[0]) or self._reload(sealed[0])
        try:
            return cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], context.encode())
        except InvalidTag:
            raise Tampered("sealed content does not authenticate") from None

    def mac(self, data: bytes) -> bytes:
        return hmac.digest(self._mac_key, data, "sha256")

    def derive(self, purpose: str) -> bytes:
        return HKDF(SHA256(), _KEY, salt=None, info=b"nightlight/1/" + purpose.encode()).derive(self._root)

    @property
    def key_ids(self) -> tuple[int, ...]:
        return tuple(self._ciphers)

    def rotate(self) -> int:
        """Add a sealing key, which seals from now on; older ones still open. Returns its id.

        Other processes see it when they first meet something that it sealed. Raises Conflict after 255 keys.
        """
        with self._lock:
            held = _read(self.path)
            newest = held.sealing[-1].id
            if newest >= _MOST_KEYS:
                raise Conflict(f"a key file holds at most {_MOST_KEYS} sealing keys")
            write_private(self.path, _json(msgspec.structs.replace(held, sealing=(*held.sealing, _new_key(newest + 1)))))
        self._load()
        return newest + 1

    def _load(self) -> None:
        held = _read(self.path)
        self._root = held.root
        self._mac_key = self.derive("commitments")
        self._ciphers: Mapping[int, AESGCMSIV] = {k.id: AESGCMSIV(k.key) for k in held.sealing}
        newest = held.sealing[-1]
        self._newest, self._prefix = self._ciphers[newest.id], bytes([newest.id])

    def _reload(self, wanted: int) -> AESGCMSIV:
        """Another process may have rotated since this one read the file."""
        self._load()
        try:
            return self._ciphers[wanted]
        except KeyError:
            raise Tampered(f"sealed under key {wanted}, which the key file does not hold") from None


def _new_key(id: int) -> SealingKey:
    return SealingKey(id, os.urandom(_KEY), datetime.now(UTC))


def _read(path: Path) -> KeyFile:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeysMissing(f"the key file {path.name} may be read by others (mode {mode:o}): make it 600, and rotate if it leaked")
    try:
        held = msgspec.json.decode(path.read_bytes(), type=KeyFile)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise KeysMissing(f"the key file {path.name} is damaged: put back a good copy") from None
    ids = [k.id for k in held.sealing]
    sizes_fit = len(held.root) == _KEY and all(len(k.key) == _KEY for k in held.sealing)
    if held.format != 1 or not ids or ids != sorted(set(ids)) or not 1 <= ids[0] <= ids[-1] <= _MOST_KEYS or not sizes_fit:
        raise KeysMissing(f"the key file {path.name} is damaged: put back a good copy")
    return held


def _json(content: KeyFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content))
