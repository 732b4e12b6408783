"""Rows to banks and items, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import bank_items, bank_verdicts, banks, micros, moment
from nightlight.core.bank import Bank, BankAction, BankItem, BankKind, Category, ItemVerdict
from nightlight.core.errors import NotFound
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.ports import Sealer

_fingerprints = msgspec.msgpack.Decoder(tuple[Fingerprint, ...]).decode
_texts = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_distances = msgspec.msgpack.Decoder(dict[str, int]).decode


class _Settings(msgspec.Struct):
    """What a version keeps of the bank itself. Its kind never changes."""

    threshold: int
    enabled: bool
    note: str
    action: BankAction
    kinds: tuple[str, ...]
    thresholds: dict[str, int]
    share: float
    authority: bool
    expires_after_days: int | None


_settings = msgspec.json.Decoder(_Settings).decode


def bank_columns() -> AnySelect:
    b = banks.c
    return select(
        b.name,
        b.kind,
        b.threshold,
        b.enabled,
        b.note,
        b.created_at,
        b.action,
        b.kinds,
        b.thresholds,
        b.share,
        b.authority,
        b.expires_after_days,
        b.version,
    )


def bank_of(row: Any) -> Bank:
    """From `bank_columns`."""
    return Bank(
        name=row.name,
        kind=BankKind(row.kind),
        threshold=row.threshold,
        enabled=bool(row.enabled),
        note=row.note,
        created_at=moment(row.created_at),
        action=BankAction(row.action),
        kinds=tuple(FingerprintKind(kind) for kind in _texts(bytes(row.kinds))),
        thresholds=_distances(bytes(row.thresholds)),
        share=row.share,
        authority=bool(row.authority),
        expires_after_days=row.expires_after_days,
        version=int(row.version),
    )


def bank_values(bank: Bank) -> dict[str, Any]:
    """The columns of what may change in a bank, but for its version."""
    return {
        "threshold": bank.threshold,
        "enabled": bank.enabled,
        "note": bank.note,
        "action": bank.action.value,
        "kinds": pack([kind.value for kind in bank.kinds]),
        "thresholds": pack(dict(bank.thresholds)),
        "share": float(bank.share),
        "authority": bank.authority,
        "expires_after_days": bank.expires_after_days,
    }


def settings_of(bank: Bank) -> str:
    """JSON for `bank_versions`."""
    told = {name: getattr(bank, name) for name in _Settings.__struct_fields__}
    return msgspec.json.encode({**told, "kinds": [kind.value for kind in bank.kinds]}).decode()


def with_settings(bank: Bank, settings: str) -> Bank:
    """The bank with what `settings_of` wrote of it once."""
    then = _settings(settings)
    told: dict[str, Any] = {name: getattr(then, name) for name in _Settings.__struct_fields__}
    return msgspec.structs.replace(bank, **{**told, "kinds": tuple(FingerprintKind(kind) for kind in then.kinds)})


def item_columns() -> AnySelect:
    return select(bank_items)


def no_bank() -> NotFound:
    return NotFound("no such bank", field="bank")


def no_item() -> NotFound:
    return NotFound("no such item in this bank", field="item")


class Rows:
    """Items and verdicts as rows: what is content in them is sealed, bound to the row it stands in."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def item(self, row: Any) -> BankItem:
        """From a row of `bank_items` or of `bank_history`."""
        provenance = bytes(row.provenance)
        return BankItem(
            id=row.id,
            bank=row.bank,
            fingerprints=_fingerprints(self._sealer.open(bytes(row.sealed), _context(row.bank, row.id))),
            enabled=bool(row.enabled),
            labels=_texts(bytes(row.labels)),
            source=row.source,
            created_at=moment(row.created_at),
            category=None if row.category is None else Category(row.category),
            generated=None if row.generated is None else bool(row.generated),
            provenance=self._sealer.open(provenance, f"{_context(row.bank, row.id)}:provenance").decode() if provenance else "",
            expires_at=_moment(row.expires_at),
            derived_from=row.derived_from,
            paused_at=_moment(row.paused_at),
            proposed_by=row.proposed_by,
            approved_by=row.approved_by,
            overrides_authority=bool(row.overrides_authority),
        )

    def values(self, item: BankItem) -> dict[str, Any]:
        """Every column of `bank_items` but `version`. The item has the time at which it was made."""
        if item.created_at is None:
            raise ValueError("an item without the time at which it was made")
        context = _context(item.bank, item.id)
        return {
            "bank": item.bank,
            "id": item.id,
            "sealed": self._sealer.seal(pack(item.fingerprints), context),
            "enabled": item.enabled,
            "labels": pack(item.labels),
            "source": item.source,
            "created_at": micros(item.created_at),
            "category": None if item.category is None else item.category.value,
            "generated": item.generated,
            "provenance": self._sealer.seal(item.provenance.encode(), f"{context}:provenance") if item.provenance else b"",
            "expires_at": None if item.expires_at is None else micros(item.expires_at),
            "derived_from": item.derived_from,
            "paused_at": None if item.paused_at is None else micros(item.paused_at),
            "proposed_by": item.proposed_by,
            "approved_by": item.approved_by,
            "overrides_authority": item.overrides_authority,
        }

    def verdict(self, row: Any) -> ItemVerdict:
        """From a row of `bank_verdicts`."""
        note = bytes(row.note)
        return ItemVerdict(
            id=int(row.id),
            bank=row.bank,
            item=row.item,
            source=row.source,
            confirm=bool(row.confirm),
            by=row.by,
            note=self._sealer.open(note, _note(row.bank, row.item)).decode() if note else "",
            at=moment(row.at),
            sent_at=_moment(row.sent_at),
        )

    def note(self, bank: str, item: str, note: str) -> bytes:
        return self._sealer.seal(note.encode(), _note(bank, item)) if note else b""

    def commitment(self, *parts: Any) -> str:
        """For the audit: says what was written to whoever has the thing itself, and nothing to anybody else. 64 hex digits."""
        return self._sealer.mac(pack(parts)).hex()


def item_commitment(sealer: Sealer, bank: str, item: str) -> str:
    """Stands for an item where nobody is to learn which it was. 64 hex digits."""
    return sealer.mac(f"bank-item:{bank}/{item}".encode()).hex()


def verdict_columns() -> AnySelect:
    return select(bank_verdicts)


def chunks(ids: Sequence[str], most: int = 1000) -> list[Sequence[str]]:
    """A statement takes only so many values."""
    return [ids[at : at + most] for at in range(0, len(ids), most)]


def _moment(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)


def _context(bank: str, item: str) -> str:
    return f"bank:{bank}:{item}"


def _note(bank: str, item: str) -> str:
    return f"bank:{bank}:{item}:verdict"
