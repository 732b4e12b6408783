"""Signed checkpoints of the audit chain, to be kept elsewhere.

The chain's own key and its signed heads lie in the home folder: whoever has all of it could write another history and sign it. What
they cannot do is write one that fits a file that they do not have. A checkpoint names, for each partition, how many rows it has, the
chain's mac of the last and an *unkeyed* digest of them all, under an Ed25519 signature. Checking the rows against it needs the file and
its public key and no secret of the home folder, so keys that somebody changed with the rows help them nothing.

The digest: d(0) = 32 zero bytes, d(n) = SHA-256(d(n-1) || row n), rows encoded as `adapters.audit.Row` in msgpack.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from nightlight.adapters.audit import Row
from nightlight.adapters.durable import create_private
from nightlight.adapters.sealer import KeysMissing
from nightlight.adapters.store.ledger import AuditLog, AuditResult, Flaw
from nightlight.adapters.vault.keys import make_folder
from nightlight.core.errors import Invalid, Tampered

KEY = "checkpoint.key"
"""In the home folder: the 32-byte seed of the key that signs."""
FORMAT = "nightlight-audit-checkpoint/1"
MOST_BYTES = 16 << 20
EMPTY = bytes(32)
_encode = msgspec.msgpack.Encoder().encode


class Mark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one partition was."""

    partition: str
    rows: int
    mac: str
    """Of the last row, 64 hex digits."""
    digest: str
    """Of all of them, 64 hex digits."""


class Checkpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. Bytes are hex."""

    format: str
    at: datetime
    partitions: tuple[Mark, ...]
    public_key: str
    signature: str
    """Over the same object without `signature`, as JSON with sorted keys and without blanks."""


class CheckpointKey:
    """The signing key. Made on first use; readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            make_folder(path.parent)
            create_private(path, os.urandom(32))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeysMissing(f"{path.name} may be read by others: make it 600, and remove it if it leaked; a new one is made then")
        seed = path.read_bytes()
        if len(seed) != 32:
            raise KeysMissing(f"{path.name} is damaged: put back a good copy, or remove it; a new one is made then")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """64 hex digits."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, data: bytes) -> str:
        return self._key.sign(data).hex()


class _Walk:
    """Over the rows of one partition, in order."""

    def __init__(self, mark: Mark | None = None) -> None:
        self.mark, self.rows, self.digest, self.mac = mark, 0, EMPTY, EMPTY
        self.wrong: str | None = None

    def take(self, row: Row, mac: bytes) -> None:
        self.rows, self.mac = self.rows + 1, mac
        self.digest = hashlib.sha256(self.digest + _encode(row)).digest()
        if self.mark is not None and self.rows == self.mark.rows:
            same = hmac.compare_digest(self.digest.hex(), self.mark.digest), hmac.compare_digest(mac.hex(), self.mark.mac)
            self.wrong = None if all(same) else f"rows 1 to {self.rows} are not those that the checkpoint was made of"


def make(audit: AuditLog, key: CheckpointKey, at: datetime) -> bytes:
    """A checkpoint of a chain that verifies, as JSON. Raises Tampered for one that does not: signing it would vouch for it."""
    walks: dict[str, _Walk] = {}
    result = audit.verify(lambda row, mac: walks.setdefault(row.partition, _Walk()).take(row, mac))
    if not result.ok:
        raise Tampered("the audit does not verify, so no checkpoint is made of it: see `nightlight audit verify`")
    marks = tuple(Mark(partition=p, rows=w.rows, mac=w.mac.hex(), digest=w.digest.hex()) for p, w in sorted(walks.items()))
    bare = Checkpoint(format=FORMAT, at=at, partitions=marks, public_key=key.public_key, signature="")
    signed = msgspec.structs.replace(bare, signature=key.sign(_signed(bare)))
    return msgspec.json.format(msgspec.json.encode(signed)) + b"\n"


def read(raw: bytes, public_key: str | None = None) -> Checkpoint:
    """A checkpoint whose signature fits. `public_key`: noted elsewhere; another one is refused. Raises Invalid or Tampered."""
    if len(raw) > MOST_BYTES:
        raise Invalid("this is too large to be a checkpoint", field="checkpoint")
    try:
        found = msgspec.json.decode(raw, type=Checkpoint)
        key, signature = bytes.fromhex(found.public_key), bytes.fromhex(found.signature)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise Invalid("this is no checkpoint of an audit", field="checkpoint") from None
    if found.format != FORMAT:
        raise Invalid("this checkpoint is of a format that is not known here", field="checkpoint")
    if (key.hex(), signature.hex()) != (found.public_key, found.signature):
        raise Tampered("the checkpoint is not as it was written")  # capitals or blanks, which no checkpoint of ours has
    if public_key is not None and not hmac.compare_digest(public_key.strip().lower().encode(), found.public_key.encode()):
        raise Tampered("the checkpoint was signed with another key than the one given")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _signed(msgspec.structs.replace(found, signature="")))
    except (InvalidSignature, ValueError):
        raise Tampered("the checkpoint is not as it was signed") from None
    if len({m.partition for m in found.partitions}) != len(found.partitions):
        raise Invalid("this checkpoint names a partition twice", field="checkpoint")
    return found


def verify(audit: AuditLog, checkpoints: Sequence[Checkpoint]) -> AuditResult:
    """The chain by itself, and against what was kept of it elsewhere."""
    walks = [{m.partition: _Walk(m) for m in c.partitions} for c in checkpoints]

    def take(row: Row, mac: bytes) -> None:
        for walk in (w[row.partition] for w in walks if row.partition in w):
            walk.take(row, mac)

    result = audit.verify(take)
    flaws = list(result.flaws)
    for checkpoint, of_partition in zip(checkpoints, walks, strict=True):
        made = f"the checkpoint of {checkpoint.at.isoformat(timespec='seconds')}"
        for mark in checkpoint.partitions:
            walk = of_partition[mark.partition]
            if walk.wrong is not None:
                flaws.append(Flaw(mark.partition, None, f"{walk.wrong} ({made})"))
            elif walk.rows < mark.rows:
                what = f"there were {mark.rows} rows, of which {walk.rows} can be read now ({made})"
                flaws.append(Flaw(mark.partition, walk.rows + 1, what))
    return AuditResult(not flaws, result.rows, tuple(flaws))


def _signed(bare: Checkpoint) -> bytes:
    fields = {name: value for name, value in msgspec.to_builtins(bare).items() if name != "signature"}
    return msgspec.json.Encoder(order="sorted").encode(fields)
