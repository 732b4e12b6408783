"""Keys of the vault, all outside the database.

The key of a case is random. In the database it lies locked twice: inside by the case's own secret, a file of 32 random bytes in the
key folder, and around that by a wrapping key (`KeyWrapper`: a key file here, or a key management service). Rotation changes the outer
lock alone. Destroying a case destroys its secret: from then on neither a backup of the database nor every key that is left opens it.

    <key folder>/wrapping.json       the wrapping keys
    <key folder>/cases/<aa>/<name>   a case's secret; `name` is a keyed mac of its id, so the folder names no case
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Set
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from msgspec import Struct

from nightlight.adapters.durable import create_private, sync, write_private
from nightlight.adapters.sealer import KeysMissing
from nightlight.core.errors import Tampered

KEY_FOLDER = "vault-keys"
"""In the home folder, unless the settings say otherwise."""
WRAPPING = "wrapping.json"
CASES = "cases"
_NONCE, _TAG, _KEY = 12, 16, 32
_NAME = re.compile(r"^[0-9a-f]{64}$")


class WrappingKey(Struct, frozen=True):
    id: str
    key: bytes
    created_at: datetime


class WrappingFile(Struct, frozen=True, forbid_unknown_fields=True):
    """As JSON; bytes are base64."""

    format: int
    keys: tuple[WrappingKey, ...]


class FileWrapper:
    """`KeyWrapper` over one file that only its owner may read. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._held: WrappingFile | None = None

    @property
    def current(self) -> str:
        return self._read(fresh=True).keys[-1].id

    def wrap(self, key: bytes, context: str) -> tuple[str, bytes]:
        newest = self._read(fresh=True).keys[-1]  # never one that another process has forgotten since
        return newest.id, locked(newest.key, key, f"{newest.id}\0{context}")

    def unwrap(self, id: str, wrapped: bytes, context: str) -> bytes:
        for fresh in (False, True):  # another process may have rotated since this one read the file
            for key in self._read(fresh=fresh).keys:
                if key.id == id:
                    return unlocked(key.key, wrapped, f"{id}\0{context}")
        raise Tampered("a case key is wrapped under a wrapping key that is not in the key folder")

    def rotate(self) -> str:
        with self._lock:
            held = self._load()
            new = _new_key()
            self._held = msgspec.structs.replace(held, keys=(*held.keys, new))
            write_private(self.path, msgspec.json.format(msgspec.json.encode(self._held)))
        return new.id

    def adopt(self, copy: Path) -> None:
        """Wrapping keys of a backup: they open what it wrapped, and wrap nothing new."""
        with self._lock:
            held, other = self._load(), msgspec.json.decode(copy.read_bytes(), type=WrappingFile)
            known = {k.id for k in held.keys}
            self._held = WrappingFile(1, (*(k for k in other.keys if k.id not in known), *held.keys))
            write_private(self.path, msgspec.json.format(msgspec.json.encode(self._held)))

    def forget(self, keep: str) -> None:
        with self._lock:
            held = self._load()
            left = tuple(k for k in held.keys if k.id == keep)
            if not left:
                raise KeysMissing("the wrapping key that is to be kept is not there")
            if left != held.keys:
                self._held = WrappingFile(1, left)
                # The new file first: cut off in between, old keys are left, never none.
                with self.path.open("r+b", buffering=0) as old:
                    write_private(self.path, msgspec.json.format(msgspec.json.encode(self._held)))
                    old.write(os.urandom(os.fstat(old.fileno()).st_size))
                    os.fsync(old.fileno())

    def _read(self, *, fresh: bool = False) -> WrappingFile:
        with self._lock:
            if self._held is None or fresh:
                self._held = self._load()
            return self._held

    def _load(self) -> WrappingFile:
        if not self.path.exists():
            make_folder(self.path.parent)
            first = WrappingFile(1, (_new_key(),))
            create_private(self.path, msgspec.json.format(msgspec.json.encode(first)))
        if mode := stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            raise KeysMissing(f"{self.path.name} of the vault may be read by others (mode {mode:o} too much): make it 600")
        try:
            held = msgspec.json.decode(self.path.read_bytes(), type=WrappingFile)
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise KeysMissing(f"{self.path.name} of the vault is damaged: put back a good copy") from None
        ids = [k.id for k in held.keys]
        if held.format != 1 or not ids or len(set(ids)) != len(ids) or any(len(k.key) != _KEY for k in held.keys):
            raise KeysMissing(f"{self.path.name} of the vault is damaged: put back a good copy")
        return held


class CaseSecrets:
    """The secrets of the cases, one small file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / CASES

    def make(self, name: str) -> bytes:
        """The secret of that name, made where there is none: on the disk for good before this returns."""
        path = self._path(name)
        try:
            return self.get(name)
        except KeysMissing:
            make_folder(path.parent)
            create_private(path, os.urandom(_KEY))
            for folder in (path.parent.parent, self.folder.parent):
                sync(folder)
            return self.get(name)

    def get(self, name: str) -> bytes:
        """Raises KeysMissing."""
        try:
            secret = self._path(name).read_bytes()
        except FileNotFoundError:
            raise KeysMissing("the secret of this case is not in the key folder: its evidence cannot be opened") from None
        if len(secret) != _KEY:
            raise KeysMissing("the secret of this case is damaged: put back a good copy of the key folder")
        return secret

    def destroy(self, name: str) -> bool:
        """Overwritten, then gone, and the disk knows it; whether it was there. (A disk that remaps what it writes may keep the old
        bytes for a while: encrypt the disk that holds the key folder.)"""
        path = self._path(name)
        try:
            overwrite(path, _KEY)
            path.unlink()
        except FileNotFoundError:
            return False
        sync(path.parent)
        return True

    def names(self) -> Iterator[str]:
        yield from (p.name for p in sorted(self.folder.glob("??/*")) if _NAME.match(p.name))

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise ValueError("no name of a secret")
        return self.folder / name[:2] / name


def put_back(copy: Path, folder: Path, gone: Set[str]) -> None:
    """Keys of a backup that was made with them: those that are not there yet, and none of a case that was destroyed."""
    make_folder(folder)
    if not (copy / WRAPPING).exists():
        pass  # its wrapping keys are in a key service
    elif not (folder / WRAPPING).exists():
        create_private(folder / WRAPPING, (copy / WRAPPING).read_bytes())
    else:
        FileWrapper(folder / WRAPPING).adopt(copy / WRAPPING)
    for path in sorted((copy / CASES).glob("??/*")):
        if _NAME.match(path.name) and path.name not in gone:
            target = folder / CASES / path.name[:2] / path.name
            make_folder(target.parent)
            create_private(target, path.read_bytes())


# -- small parts -------------------------------------------------------------------------------------------------------------------


def locked(key: bytes, plain: bytes, context: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCMSIV(key).encrypt(nonce, plain, context.encode())


def unlocked(key: bytes, sealed: bytes, context: str) -> bytes:
    """Raises Tampered."""
    if len(sealed) < _NONCE + _TAG:
        raise Tampered("a wrapped key is too short to be whole")
    try:
        return AESGCMSIV(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
    except InvalidTag:
        raise Tampered("a wrapped key does not authenticate") from None


def _new_key() -> WrappingKey:
    return WrappingKey(f"w{os.urandom(8).hex()}", os.urandom(_KEY), datetime.now(UTC))


def make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def overwrite(path: Path, size: int) -> None:
    """Raises FileNotFoundError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, os.urandom(size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
