"""Whatever is changed in the vault or the audit is found; nothing of what people wrote lies anywhere in the clear."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from nightlight.adapters.audit import Chain, Row
from nightlight.adapters.checkpoint import Checkpoint, CheckpointKey, make, read, verify
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.vault_tables import vault_cases, vault_destructions, vault_items, vault_parts
from nightlight.adapters.vault import VAULT, SqlIdentities
from nightlight.adapters.vault.sealing import PART
from nightlight.core.casefile import Identity
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Invalid, Tampered
from nightlight.core.vault import ItemKind, KnownIdentity, NewItem

from .vaulting import ANA, WHY, end, filled, talk
from .works import START, Writer

TABLES = {t.name: t for t in (vault_cases, vault_items, vault_parts, vault_destructions)}


def open_home(home: Path) -> Database:
    return open_database(None, home, KeyFileSealer(home / "keys.json"), FixedClock(START), migrate=True)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Two cases that are kept, one that is destroyed. Properties put back what they break."""
    database = open_home(tmp_path_factory.mktemp("home"))
    vault, case = filled(database)
    vault.keep(case, NewItem(kind=ItemKind.FILE, name="long"), os.urandom(PART + 3), "cli")
    vault.hold(case, "cli", "an order")
    second = talk(database, actor="oran", channel="hall", before=1)
    gone = talk(database, actor="pell", channel="yard", before=1)
    vault.promote()
    end(database, gone)
    vault.destroy(gone, "cli", "no longer needed")
    assert second and vault.verify().ok and vault.verify().cases == 2
    yield database
    database.close()


def rows_of(database: Database, table: str) -> list[dict[str, Any]]:
    with database.sql.read() as connection:
        found = connection.execute(text(f"SELECT rowid AS rowno, * FROM {table} ORDER BY rowid"))
        return [dict(r._mapping) for r in found]


def put(database: Database, table: str, at: int, column: str, value: Any, *, as_text: bool = False) -> None:
    with database.sql.write() as connection:
        place = "CAST(:v AS TEXT)" if as_text else ":v"
        connection.execute(text(f"UPDATE {table} SET {column} = {place} WHERE rowid = :at"), {"v": value, "at": at})


@settings(max_examples=30)
@given(table=st.sampled_from(sorted(TABLES)), data=st.data())
def test_any_bit_of_any_column_of_any_row(sealed: Database, table: str, data: st.DataObject) -> None:
    flipped(sealed, table, data)


@pytest.mark.long
@settings(max_examples=400)
@given(table=st.sampled_from(sorted(TABLES)), data=st.data())
def test_any_bit_of_any_column_of_any_row_at_length(sealed: Database, table: str, data: st.DataObject) -> None:
    flipped(sealed, table, data)


def flipped(sealed: Database, table: str, data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(rows_of(sealed, table)))
    column = data.draw(st.sampled_from([c.name for c in TABLES[table].columns if row[c.name] is not None]))
    value = row[column]
    if isinstance(value, int):
        changed: Any = value ^ 1 << data.draw(st.integers(0, 62))
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        bit = data.draw(st.integers(0, len(raw) * 8 - 1))
        raw[bit // 8] ^= 1 << bit % 8
        changed = bytes(raw)
    try:
        put(sealed, table, row["rowno"], column, changed, as_text=isinstance(value, str))
    except Exception as error:
        assert "UNIQUE" in str(error)  # the database refuses it by itself
        return
    try:
        result = sealed.vault.verify()
        assert not result.ok and result.flaws, (table, column)
    finally:
        put(sealed, table, row["rowno"], column, value)
    assert sealed.vault.verify().ok


@pytest.mark.parametrize(
    "cut",
    [
        "DELETE FROM vault_items WHERE number = (SELECT max(number) FROM vault_items) AND case_id = (SELECT min(id) FROM vault_cases)",
        "DELETE FROM vault_parts WHERE part = 1",
        "DELETE FROM vault_parts WHERE rowid = (SELECT min(rowid) FROM vault_parts)",
        "DELETE FROM vault_cases WHERE id = (SELECT max(id) FROM vault_cases)",
        "DELETE FROM vault_destructions",
        "DELETE FROM vault_items",
        "UPDATE vault_items SET number = number + 1 WHERE number = 4 AND case_id = (SELECT max(id) FROM vault_cases)",
    ],
)
def test_what_is_cut_off_is_found(sealed: Database, cut: str) -> None:
    before = {name: rows_of(sealed, name) for name in TABLES}
    with sealed.sql.write() as connection:
        assert connection.execute(text(cut)).rowcount or "number + 1" in cut
    if before != {name: rows_of(sealed, name) for name in TABLES}:
        assert not sealed.vault.verify().ok
    with sealed.sql.write() as connection:
        for name, rows in before.items():
            connection.execute(text(f"DELETE FROM {name}"))
            for row in rows:
                names = [c.name for c in TABLES[name].columns]
                connection.execute(
                    text(f"INSERT INTO {name} (rowid, {', '.join(names)}) VALUES (:rowno, {', '.join(':' + n for n in names)})"), row
                )
    assert sealed.vault.verify().ok


def test_a_case_that_is_put_back_as_it_was_is_found(tmp_path: Path) -> None:
    """Old rows authenticate by themselves: it is the audit that knows that they are not the last ones."""
    database = open_home(tmp_path)
    vault, case = filled(database)
    before = {name: rows_of(database, name) for name in TABLES}
    vault.keep(case, NewItem(kind=ItemKind.FILE, name="more"), b"more", "cli")
    with database.sql.write() as connection:
        connection.execute(text("DELETE FROM vault_items WHERE number = 6"))
        old = before["vault_cases"][0]
        connection.execute(text("UPDATE vault_cases SET items = :items, bytes = :bytes, chain = :chain, mac = :mac"), old)
    assert [f.what for f in vault.verify().flaws] == ["its row is not the one that the audit last told of"]
    database.close()


def test_what_does_not_authenticate_is_not_handed_out(tmp_path: Path) -> None:
    database = open_home(tmp_path)
    vault, case = filled(database)
    item = vault.items(case)[0]
    with database.sql.write() as connection:
        connection.execute(
            text("UPDATE vault_parts SET sealed = (SELECT sealed FROM vault_parts WHERE item_id <> :i LIMIT 1) WHERE item_id = :i"),
            {"i": item.id},
        )
    with pytest.raises(Tampered):
        vault.open(case, item.id, who=ANA, reason=WHY)
    database.close()


# -- checkpoints -------------------------------------------------------------------------------------------------------------------


def rewrite(database: Database, partition: str = VAULT) -> None:
    """Somebody who has every key of the home folder writes another history, and all of it authenticates."""
    chain = Chain(database.sealer.derive("audit-chain"))
    with database.sql.write() as connection:
        found = connection.execute(
            text("SELECT seq, at, actor, action, target, detail FROM audit WHERE partition = :p ORDER BY seq"), {"p": partition}
        ).all()
        mac = bytes(32)
        for seq, at, actor, action, target, detail in found:
            row = Row(partition, seq, at, "reviewer:somebody-else" if seq == 2 else actor, action, target, detail)
            mac = chain.link(mac, row)
            connection.execute(
                text("UPDATE audit SET actor = :a, mac = :m WHERE partition = :p AND seq = :s"),
                {"a": row.actor, "m": mac, "p": partition, "s": seq},
            )
        connection.execute(text("UPDATE partitions SET audit_mac = :m WHERE name = :p"), {"m": mac, "p": partition})
    heads = database.audit.heads
    from nightlight.adapters.audit import ChainHead

    heads._write(ChainHead(partition, len(found), mac))


def test_a_rewritten_history_is_found_by_a_checkpoint_that_was_kept(database: Database, home: Path) -> None:
    filled(database)
    key = CheckpointKey(home / "checkpoint.key")
    kept = make(database.audit, key, START)
    assert verify(database.audit, [read(kept)]).ok
    database.vault.promote()
    rewrite(database)
    assert database.audit.verify().ok  # with the keys, nothing in the home folder can tell
    (home / "checkpoint.key").unlink()
    forged = make(database.audit, CheckpointKey(home / "checkpoint.key"), START)
    assert verify(database.audit, [read(forged)]).ok
    result = verify(database.audit, [read(kept)])
    assert [f.partition for f in result.flaws] == [VAULT] and "not those" in result.flaws[0].what
    with pytest.raises(Tampered, match="another key"):
        read(forged, key.public_key)


def test_a_history_cut_short_with_its_heads_is_found(database: Database, home: Path) -> None:
    filled(database)
    kept = make(database.audit, CheckpointKey(home / "checkpoint.key"), START)
    with database.sql.write() as connection:
        connection.execute(text("DELETE FROM audit WHERE partition = 'vault'"))
        connection.execute(text("DELETE FROM partitions WHERE name = 'vault'"))
    (home / "audit" / "vault.head").unlink()
    assert database.audit.verify().ok
    assert not verify(database.audit, [read(kept)]).ok


def test_later_rows_and_partitions_do_not_matter(database: Database, home: Path) -> None:
    case = talk(database)
    kept = make(database.audit, CheckpointKey(home / "checkpoint.key"), START)
    database.vault.promote()
    Writer(database, "other")
    assert case and verify(database.audit, [read(kept), read(kept)]).ok


@settings(max_examples=60)
@given(data=st.data())
def test_any_bit_of_a_checkpoint(sealed: Database, data: st.DataObject) -> None:
    kept = _kept(sealed)
    bit = data.draw(st.integers(0, len(kept) * 8 - 1))
    raw = bytearray(kept)
    raw[bit // 8] ^= 1 << bit % 8
    try:
        found = read(bytes(raw))
    except (Invalid, Tampered):
        return
    assert found == read(kept)  # a blank between two words of JSON says nothing


@pytest.mark.parametrize("name", ["signature", "public_key"])
def test_a_checkpoint_has_one_spelling(sealed: Database, name: str) -> None:
    kept = msgspec.json.decode(_kept(sealed))
    for spelt in (kept[name].upper(), f"{kept[name][:2]} {kept[name][2:]}"):
        with pytest.raises(Tampered):
            read(msgspec.json.encode(kept | {name: spelt}))


_made: dict[int, bytes] = {}


def _kept(database: Database) -> bytes:
    if id(database) not in _made:
        _made[id(database)] = make(database.audit, CheckpointKey(database.home / "checkpoint.key"), START)
    return _made[id(database)]


def test_no_checkpoint_is_made_of_a_chain_that_is_broken(database: Database, home: Path) -> None:
    talk(database)
    database.vault.promote()
    with database.sql.write() as connection:
        connection.execute(text("UPDATE audit SET actor = 'x' WHERE seq = 1"))
    with pytest.raises(Tampered):
        make(database.audit, CheckpointKey(home / "checkpoint.key"), START)
    for bad in (
        b"",
        b"{}",
        b"\xff" * 40,
        msgspec.json.encode(Checkpoint(format="x", at=START, partitions=(), public_key="00", signature="00")),
    ):
        with pytest.raises((Invalid, Tampered)):
            read(bad)


# -- nothing in the clear ----------------------------------------------------------------------------------------------------------


def test_nothing_lies_in_the_clear(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    database = open_home(home)
    vault, case = filled(database)
    film = b"dimbrel plofwick " * 200_000
    vault.keep(case, NewItem(kind=ItemKind.MEDIA, name="gorflint.mp4"), iter([film[:PART], film[PART:]]), "cli")
    identities = SqlIdentities(database)
    identities.put("vell", KnownIdentity(identity=Identity(first_name="Quixlow", last_name="Zanterbrad")), "key:1")
    account = database.pseudonymiser("account", "vell")
    assert identities.resolve(account, who=ANA, case=case, reason=WHY) is not None
    assert vault.read(case, who=ANA, reason=WHY) and vault.find(case, hashlib.sha256(film).hexdigest())
    names = [
        b"zantle brisp",
        b"dimbrel",
        b"plofwick",
        b"gorflint",
        b"holiday.jpg",
        b"Quixlow",
        b"Zanterbrad",
        bytes(range(256)),
        hashlib.sha256(film).digest(),
        hashlib.sha256(film).hexdigest().encode(),
    ]
    _search(home, names)
    second = talk(database, actor="oran", channel="hall")
    vault.promote()
    vault.rotate("cli")
    end(database, case)
    vault.destroy(case, "cli", "no longer needed")
    assert second
    _search(home, names)
    out = "".join(capfd.readouterr())
    assert not any(n.decode("latin-1") in out for n in names)
    database.close()
    _search(home, names)


def _search(home: Path, names: list[bytes]) -> None:
    """Every byte of the home folder: the database, its journal, spools, keys, heads."""
    files = [p for p in home.rglob("*") if p.is_file()]
    assert any(p.name == "nightlight.db" for p in files)
    for path in files:
        raw = path.read_bytes()
        assert [n for n in names if n in raw] == [], path.name


def test_a_destroyed_case_leaves_no_page_of_its_rows(home: Path) -> None:
    """Sealed pages in the file or its journal would do no harm without the secret; all the same they go."""
    database = open_home(home)
    vault, case = filled(database)
    with closing(sqlite3.connect(home / "nightlight.db")) as connection:
        sealed = [bytes(r[0])[20:60] for r in connection.execute("SELECT sealed FROM vault_parts")]
    end(database, case)
    vault.destroy(case, "cli", "no longer needed")
    raw = b"".join(p.read_bytes() for p in home.glob("nightlight.db*"))
    assert len(sealed) >= 5 and not any(s in raw for s in sealed)
    database.close()
