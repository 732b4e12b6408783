"""Bytes of uploads whose facts the second hop has still to fold: a case that it opens needs them, and nobody sends them again.

They wait sealed in the spool, seconds as a rule, and go as soon as nothing about their upload is pending: into every case that it is
linked to by then, or nowhere. A crash at any moment loses none: the file is on the disk before whoever sent them is answered.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct

from nightlight.adapters.durable import write_private
from nightlight.core.errors import NightlightError
from nightlight.core.ports import Sealer

log = structlog.get_logger("nightlight.media")

SUFFIX = ".later"


class Keeper(Protocol):
    """Keeps the bytes of an upload whose decision opened a case."""

    def keep(self, event_id: str, data: bytes, media_type: str | None) -> int:
        """In how many cases."""
        ...

    def awaited(self, event_id: str) -> bool:
        """Whether something that was found out about the upload has still to be folded, so that a case may yet be opened for it."""
        ...


class _Bytes(Struct, frozen=True, kw_only=True):
    """Sealed with context `later:<event id>`."""

    data: bytes
    media_type: str | None


class Later:
    """Safe to use from several threads, and by several processes of one home folder."""

    def __init__(self, spool: Path, sealer: Sealer, keeper: Keeper) -> None:
        self._spool, self._sealer, self._keeper = spool, sealer, keeper

    def keep(self, event_id: str, data: bytes, media_type: str | None) -> None:
        """Into the cases that the upload has opened, and to be looked at again while it may open more."""
        # Asked first: what is folded after this is seen by `settle`, what was folded before it by the linking below.
        if self._keeper.awaited(event_id):
            self._put(event_id, _Bytes(data=data, media_type=media_type))
        self._keeper.keep(event_id, data, media_type)

    def settle(self) -> int:
        """How many uploads are done with. What fails stays, and is tried again."""
        done = 0
        for path in sorted(self._spool.glob(f"*{SUFFIX}")):
            try:
                event_id, sealed = msgspec.msgpack.decode(path.read_bytes(), type=tuple[str, bytes])
                if self._keeper.awaited(event_id):
                    continue
                held = msgspec.msgpack.decode(self._sealer.open(sealed, f"later:{event_id}"), type=_Bytes)
                self._keeper.keep(event_id, held.data, held.media_type)
            except FileNotFoundError:  # another process was quicker
                continue
            except (OSError, msgspec.MsgspecError, NightlightError) as error:
                log.error("an upload's bytes are not in the vault yet", file=path.name, error=type(error).__name__)
                continue
            path.unlink(missing_ok=True)
            done += 1
        return done

    def _put(self, event_id: str, held: _Bytes) -> None:
        path = self._spool / (hashlib.blake2b(event_id.encode(), digest_size=20).hexdigest() + SUFFIX)
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = self._sealer.seal(msgspec.msgpack.encode(held), f"later:{event_id}")
        write_private(path, msgspec.msgpack.encode((event_id, sealed)))
