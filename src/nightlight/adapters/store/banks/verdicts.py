"""What people say of items, and what became of items since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, func, insert, select, update

from nightlight.adapters.store.banks.rows import Rows, chunks, verdict_columns
from nightlight.adapters.store.tables import bank_verdicts, states
from nightlight.core.bank import ItemVerdict, Standing
from nightlight.core.detect import Key
from nightlight.core.errors import Invalid

Seen = Callable[[int, bytes, Key], int]
"""How often an item was met, from what the detector of known media saved: the version of its state, the state, and its key."""

DETECTOR = "known_media"
_v = bank_verdicts.c


def give(
    connection: Connection, rows: Rows, bank: str, item: str, source: str | None, confirm: bool, by: str, note: str, at: int
) -> ItemVerdict:
    """The person's latest on that item from now on."""
    if not isinstance(confirm, bool):
        raise Invalid("true or false", field="confirm")
    this = _v.bank == bank, _v.item == item, _v.by == by, _v.replaced_at.is_(None)
    connection.execute(update(bank_verdicts).where(*this).values(replaced_at=at))
    row = {"bank": bank, "item": item, "source": source, "by": by, "confirm": confirm, "note": rows.note(bank, item, note), "at": at}
    connection.execute(insert(bank_verdicts).values(**row))
    return rows.verdict(connection.execute(verdict_columns().where(*this)).one())


def latest(connection: Connection, rows: Rows, bank: str, item: str) -> list[ItemVerdict]:
    wanted = verdict_columns().where(_v.bank == bank, _v.item == item, _v.replaced_at.is_(None)).order_by(_v.id)
    return [rows.verdict(row) for row in connection.execute(wanted).all()]


def unsent(connection: Connection, rows: Rows, bank: str, most: int) -> list[ItemVerdict]:
    wanted = verdict_columns().where(_v.bank == bank, _v.sent_at.is_(None), _v.replaced_at.is_(None), _v.source.is_not(None))
    return [rows.verdict(row) for row in connection.execute(wanted.order_by(_v.id).limit(most)).all()]


def mark_sent(connection: Connection, bank: str, verdicts: Sequence[int], at: int) -> int:
    done = 0
    for start in range(0, len(verdicts), 1000):
        some = _v.id.in_(verdicts[start : start + 1000])
        done += connection.execute(update(bank_verdicts).where(_v.bank == bank, some, _v.sent_at.is_(None)).values(sent_at=at)).rowcount
    return done


def given_since(connection: Connection, bank: str, item: str, since: int) -> bool:
    wanted = select(_v.id).where(_v.bank == bank, _v.item == item, _v.at >= since).limit(1)
    return connection.execute(wanted).first() is not None


def standing(connection: Connection, bank: str, items: Sequence[str], seen: Seen | None) -> Mapping[str, Standing]:
    confirmed: dict[tuple[str, bool], int] = {}
    met: dict[str, int] = {}
    s = states.c
    for some in chunks(list(dict.fromkeys(items))):
        said = select(_v.item, _v.confirm, func.count()).where(_v.bank == bank, _v.item.in_(some), _v.replaced_at.is_(None))
        for item, confirm, number in connection.execute(said.group_by(_v.item, _v.confirm)).all():
            confirmed[item, bool(confirm)] = number
        if seen is None:
            continue
        keys = {Key.media(f"{bank}/{item}").id: item for item in some}
        saved = select(s.id, s.version, s.raw).where(s.id.in_(list(keys)), s.kind == Key.media("").kind.value, s.detector == DETECTOR)
        for id, version, raw in connection.execute(saved).all():
            met[keys[id]] = seen(version, bytes(raw), Key.media(id))
    return {
        item: Standing(seen=met.get(item, 0), confirmed=confirmed.get((item, True), 0), denied=confirmed.get((item, False), 0))
        for item in items
    }
