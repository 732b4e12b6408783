"""Evidence is kept whole, opened by those who may and say why, and on the audit chain; over every database."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, text

from nightlight.adapters.sealer import KeysMissing
from nightlight.adapters.store import Database
from nightlight.adapters.store.vault_tables import vault_items, vault_parts
from nightlight.adapters.vault import VAULT
from nightlight.adapters.vault.sealing import PART, Measured
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound, TooLarge
from nightlight.core.event import Event
from nightlight.core.vault import FILING, ClockStart, ItemKind, NewItem, Reader

from .vaulting import ADMINISTRATOR, ANA, AUDITOR, MEDIA, PICTURE, WHY, end, filled, talk
from .works import START, Writer


def told(database: Database, *actions: str) -> list[tuple[str, str, str]]:
    return [(e.actor, e.action, e.target) for _, e in database.audit.entries(VAULT, most=10_000) if not actions or e.action in actions]


def test_what_opens_a_case_is_kept_with_what_was_said_before_it(database: Database) -> None:
    case = talk(database)
    assert database.vault.promote() == 4
    read = database.vault.read(case, who=ANA, reason=WHY)
    assert list(read) == ["vell-room-b0", "vell-room-b1", "vell-room-b2", "vell-room-e"]
    event = msgspec.msgpack.decode(read["vell-room-e"], type=Event)
    assert event.content == "zantle brisp vell-room-e"
    assert database.vault.promote() == 0


def test_one_conversation_does_not_bring_another(database: Database) -> None:
    database.pipeline.commit(Writer(database).chat("x1", channel="elsewhere"))
    _, case = filled(database)
    assert {i.event for i in database.vault.items(case)} == {"vell-room-b0", "vell-room-b1", "vell-room-b2", "vell-room-e", "e9"}


def test_what_comes_after_is_taken_a_day_later_and_no_more_than_is_bounded(database: Database, clock: FixedClock) -> None:
    case = talk(database, before=60, after=30)
    database.vault.promote()
    kept = {i.event for i in database.vault.items(case)}
    assert len(kept) == 41 and "vell-room-b20" in kept and "vell-room-b19" not in kept
    clock.advance(timedelta(days=1, seconds=1))
    assert database.vault.promote() == 20
    assert len(database.vault.items(case)) == 61 and database.vault.promote() == 0


def test_the_same_is_kept_once(database: Database) -> None:
    vault, case = filled(database)
    again = vault.keep(case, MEDIA, PICTURE, "cli")
    assert again.id == vault.find(case, hashlib.sha256(PICTURE).hexdigest()).id  # type: ignore[union-attr]
    assert again.sha256 == hashlib.sha256(PICTURE).hexdigest() and again.size == len(PICTURE)
    assert [i.number for i in vault.items(case)] == list(range(1, 6))
    with database.sql.read() as connection:
        assert connection.execute(select(vault_parts.c.item_id).where(~vault_parts.c.item_id.in_(select(vault_items.c.id)))).all() == []


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7])
def test_content_of_every_size_comes_back(database: Database, size: int) -> None:
    case = talk(database, before=0, after=0)
    content = os.urandom(size)
    parts = [content[n : n + 700_001] for n in range(0, size, 700_001)]
    item = database.vault.keep(case, NewItem(kind=ItemKind.FILE, name="film"), iter(parts), "cli")
    assert (item.size, item.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert database.vault.open(case, item.id, who=ANA, reason=WHY) == content
    assert max((len(p) for p in database.vault.stream(case, item.id, who=ANA, reason=WHY)), default=0) <= PART
    assert database.vault.verify().ok


def test_a_large_item_is_never_whole_in_memory(database: Database) -> None:
    given = 0

    def film() -> Iterator[bytes]:
        nonlocal given
        for n in range(24):
            given += 1
            yield bytes([n]) * PART

    for taken, (part, last) in enumerate(Measured(film()), 1):
        assert given - taken <= 2 and len(part) <= PART and last == (taken == 24)


def test_too_much_is_refused_and_leaves_nothing(database: Database) -> None:
    case = talk(database, before=0, after=0)
    with pytest.raises(TooLarge):
        list(
            Measured(b"x" for _ in range(100)),
        ) and list(Measured((b"x" * PART for _ in range(4)), most=2 * PART))

    def broken() -> Iterator[bytes]:
        yield os.urandom(3 * PART)
        raise RuntimeError("the upload was cut off")

    with pytest.raises(RuntimeError):
        database.vault.keep(case, MEDIA, broken(), "cli")
    with database.sql.read() as connection:
        assert connection.execute(select(vault_parts.c.part)).all() == []
    assert database.vault.items(case) == []


def test_who_opens_says_why_and_it_is_on_the_chain_first(database: Database) -> None:
    vault, case = filled(database)
    picture = vault.find(case, hashlib.sha256(PICTURE).hexdigest())
    assert picture is not None
    for reason in ("", "   ", "x" * 3000):
        with pytest.raises(Invalid, match=r"why|characters"):
            vault.open(case, picture.id, who=ANA, reason=reason)
    stream = vault.stream(case, picture.id, who=ANA, reason=WHY)
    assert told(database, "vault.open") == [("reviewer:ana", "vault.open", case)]  # before the first byte
    assert b"".join(stream) == PICTURE
    assert database.audit.entries(VAULT, most=1000)[-1][1].detail["reason"] == WHY


@pytest.mark.parametrize(
    ("who", "media", "events"),
    [
        (ANA, True, True),
        (AUDITOR, False, True),
        (ADMINISTRATOR, False, False),
        (FILING, True, True),
        (Reader(name="x", role=""), False, False),
    ],
)
def test_roles(database: Database, who: Reader, media: bool, events: bool) -> None:
    vault, case = filled(database)
    picture = vault.find(case, hashlib.sha256(PICTURE).hexdigest())
    assert picture is not None
    for allowed, what in (
        (media, lambda: vault.open(case, picture.id, who=who, reason=WHY)),
        (events, lambda: vault.read(case, who=who, reason=WHY)),
    ):
        before = len(told(database))
        if allowed:
            assert what()
        else:
            with pytest.raises(Denied):
                what()
            assert told(database)[-1] == (who.name, "vault.refused", case)
        assert len(told(database)) == before + 1


def test_what_is_not_there(database: Database) -> None:
    vault, case = filled(database)
    with pytest.raises(NotFound):
        vault.open(case, "item_x", who=ANA, reason=WHY)
    with pytest.raises(NotFound):
        vault.read("case_x", who=ANA, reason=WHY)
    with pytest.raises(NotFound):
        vault.keep("case_x", MEDIA, b"x", "cli")
    with pytest.raises(NotFound):
        vault.hold("case_x", "cli", "an order")
    with pytest.raises(NotFound):
        vault.holding("case_x")
    assert vault.items("case_x") == [] and vault.find(case, "00" * 32) is None
    with pytest.raises(Invalid):
        vault.find(case, "no hash")
    with pytest.raises(Invalid):
        vault.keep(case, NewItem(kind=ItemKind.MEDIA, name="x" * 1000), b"x", "cli")
    with pytest.raises(Invalid):
        vault.keep(case, NewItem(kind=ItemKind.EVENT), b"x", "cli")
    other = talk(database, actor="oran", channel="hall", before=0, after=0)
    with pytest.raises(NotFound):
        vault.open(other, vault.items(case)[0].id, who=ANA, reason=WHY)


def test_rotation_wraps_anew_and_rewrites_no_content(database: Database) -> None:
    vault, case = filled(database)
    with database.sql.read() as connection:
        before = connection.execute(select(vault_parts.c.sealed).order_by(vault_parts.c.item_id)).scalars().all()
        wrapped = connection.execute(text("SELECT wrapper, wrapped FROM vault_cases")).all()
    old = vault.wrapper.current
    assert vault.rotate("cli") == 1
    with database.sql.read() as connection:
        assert connection.execute(select(vault_parts.c.sealed).order_by(vault_parts.c.item_id)).scalars().all() == before
        assert connection.execute(text("SELECT wrapper, wrapped FROM vault_cases")).all() != wrapped
    assert vault.read(case, who=ANA, reason=WHY) and vault.verify().ok and database.audit.verify().ok
    assert old not in (database.vault_keys / "wrapping.json").read_text()
    assert ("cli", "vault.rotate", "vault") in told(database)


def test_another_process_rotates_while_this_one_keeps(database: Database) -> None:
    from nightlight.adapters.vault import CaseSecrets, FileWrapper, SqlVault, shipped_clocks

    vault, case = filled(database)
    other = SqlVault(database, CaseSecrets(database.vault_keys), FileWrapper(database.vault_keys / "wrapping.json"), shipped_clocks())
    assert other.read(case, who=ANA, reason=WHY)
    vault.rotate("cli")
    second = talk(database, actor="oran", channel="hall")
    other.promote()  # under the wrapping key that is there now, not the one that it read before
    assert vault.read(second, who=ANA, reason=WHY) and other.read(case, who=ANA, reason=WHY)


def test_two_rotations_at_once_both_end(database: Database) -> None:
    vault, case = filled(database)
    for n in range(5):
        talk(database, actor=f"a{n}", channel=f"r{n}", before=0, after=0)
    vault.promote()
    threads = [threading.Thread(target=vault.rotate, args=("cli",)) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    assert vault.verify().ok and vault.read(case, who=ANA, reason=WHY)


def test_keys_lie_outside_the_database_for_their_owner_alone(database: Database) -> None:
    _, case = filled(database)
    files = [p for p in database.vault_keys.rglob("*") if p.is_file()]
    assert len(files) == 2 and all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in files)
    assert not any(case in str(p) or case.encode() in p.read_bytes() for p in files)
    (database.vault_keys / "wrapping.json").chmod(0o644)
    with pytest.raises(KeysMissing, match="600"):
        database.vault.rotate("cli")


def test_without_the_secret_of_a_case_nobody_opens_it(database: Database) -> None:
    vault, case = filled(database)
    second = talk(database, actor="oran", channel="hall")
    vault.promote()
    database.vault.secrets.destroy(vault.name_of(case))
    with pytest.raises(KeysMissing):
        vault.read(case, who=ANA, reason=WHY)
    assert vault.read(second, who=ANA, reason=WHY)
    assert [f.case for f in vault.verify().flaws] == [case]


def test_holds_and_clocks(database: Database, clock: FixedClock) -> None:
    vault, case = filled(database)
    first = vault.holding(case)
    assert first.keep_until == START + timedelta(days=180) and first.clocks == () and first.items == 5
    vault.start(case, ClockStart.CONFIRMED, START, "reviewer:ana")
    reported = vault.start(case, ClockStart.REPORTED, START + timedelta(days=3), "system", places=["US-CA"])
    assert reported.keep_until == START + timedelta(days=368) and [c.name for c in reported.clocks] == ["us-2258a"]
    again = vault.start(case, ClockStart.REPORTED, START + timedelta(days=9), "system")
    assert again.keep_until == START + timedelta(days=374)
    assert vault.start(case, ClockStart.REPORTED, START, "system") == again
    assert vault.extend(case, START + timedelta(days=1), "cli", "no effect").keep_until == again.keep_until
    assert vault.extend(case, START + timedelta(days=900), "cli", "an inquiry").keep_until == START + timedelta(days=900)
    with pytest.raises(Invalid):
        vault.extend(case, START.replace(tzinfo=None), "cli", "x")
    with pytest.raises(Invalid):
        vault.extend(case, START + timedelta(days=50_000), "cli", "x")
    hold = vault.hold(case, "cli", "order 17")
    assert vault.holding(case).holds == (hold,)
    with pytest.raises(NotFound):
        vault.release(case, "hold_x", "cli", "x")
    assert vault.release(case, hold.id, "cli", "withdrawn").holds == ()
    assert database.audit.verify().ok and vault.verify().ok


def test_a_european_case_is_kept_no_longer_unless_a_duty_says_so(database: Database) -> None:
    vault, case = filled(database)
    table = msgspec.structs.replace(vault.clocks, default=msgspec.structs.replace(vault.clocks.default, days=3000))
    vault.clocks = table
    held = vault.start(case, ClockStart.CONFIRMED, START, "cli", places=["DE"])
    assert held.keep_until == START + timedelta(days=365)
    held = vault.start(case, ClockStart.REPORTED, START + timedelta(days=100), "cli", places=["US"])
    assert held.keep_until == START + timedelta(days=465)


def test_a_case_is_not_destroyed_under_a_hold_a_duty_or_a_question(database: Database) -> None:
    vault, case = filled(database)
    with pytest.raises(Conflict, match="decide"):
        vault.destroy(case, "cli", "a mistake")
    end(database, case, "filed")
    vault.start(case, ClockStart.OPENED, START, "cli", places=["US"])
    with pytest.raises(Conflict, match="2258A"):
        vault.destroy(case, "cli", "too early")
    end(database, case)
    hold = vault.hold(case, "cli", "an order")
    with pytest.raises(Conflict, match="hold"):
        vault.destroy(case, "cli", "tidying up")
    assert vault.release(case, hold.id, "cli", "over").items == 5
    assert vault.read(case, who=ANA, reason=WHY)


def test_destruction_proves_what_and_when(database: Database, clock: FixedClock) -> None:
    vault, case = filled(database)
    other = talk(database, actor="oran", channel="hall")
    vault.promote()
    held = vault.items(case)
    end(database, case)
    clock.advance(timedelta(days=2))
    record = vault.destroy(case, "cli", "no longer needed")
    assert [i.id for i in record.items] == [i.id for i in held] and record.at == clock.now() and record.events == 4
    picture = next(i for i in held if i.kind is ItemKind.MEDIA)
    of_picture = next(i for i in record.items if i.id == picture.id)
    assert of_picture.mac == vault.macs.commitment("media", hashlib.sha256(PICTURE).digest()).hex()
    assert vault.destructions() == [record] and vault.destroy(case, "cli", "again") == record
    assert vault.items(case) == [] and list(vault.secrets.names()) == [vault.name_of(other)]
    for refused in (lambda: vault.keep(case, MEDIA, b"x", "cli"), lambda: vault.hold(case, "cli", "too late")):
        with pytest.raises(Conflict, match="destroyed"):
            refused()
    with pytest.raises(NotFound):
        vault.read(case, who=ANA, reason=WHY)
    assert database.pipeline.event("vell-room-e") is None and database.pipeline.event("oran-hall-e") is not None
    assert database.audit.verify().ok and vault.verify().ok and vault.read(other, who=ANA, reason=WHY)


def test_what_another_case_needs_stays(database: Database) -> None:
    vault, case = filled(database)
    writer = Writer(database)
    opening = writer.opening("vell-room-e", actor="zar")
    database.pipeline.commit(msgspec.structs.replace(writer.chat("z1", actor="zar", channel="quay"), cases=[opening]))
    vault.promote()
    end(database, case)
    assert vault.destroy(case, "cli", "no longer needed").events == 0
    assert database.pipeline.event("vell-room-e") is not None
    second = vault.holdings()[0].case
    assert second != case and "vell-room-e" in vault.read(second, who=ANA, reason=WHY)


def test_the_sweep_destroys_what_is_due_and_a_hold_wins(database: Database, clock: FixedClock) -> None:
    vault, case = filled(database)
    held = talk(database, actor="oran", channel="hall")
    still = talk(database, actor="pell", channel="yard")
    vault.promote()
    for one in (case, held):
        end(database, one)
    hold = vault.hold(held, "cli", "an order")
    clock.advance(timedelta(days=181))
    done = database.lifecycle.retention(clock.now())
    assert done["vault_destroyed"] == 1
    assert [h.case for h in vault.holdings()] == sorted([held, still])
    assert vault.read(held, who=ANA, reason=WHY) and vault.read(still, who=ANA, reason=WHY)
    vault.release(held, hold.id, "cli", "over")
    vault.extend(held, clock.now() + timedelta(days=10), "cli", "an appeal")
    assert "vault_destroyed" not in database.lifecycle.retention(clock.now())
    clock.advance(timedelta(days=11))
    assert database.lifecycle.retention(clock.now())["vault_destroyed"] == 1
    assert {d.case for d in vault.destructions()} == {case, held}
    end(database, still)
    assert database.lifecycle.retention(clock.now())["vault_destroyed"] == 1
    assert vault.verify().ok and database.audit.verify().ok


def test_a_reported_case_is_kept_a_year_though_nobody_started_its_clock(database: Database, clock: FixedClock) -> None:
    vault, case = filled(database)
    vault.start(case, ClockStart.OPENED, START, "cli", places=["US"])
    end(database, case, "filed")
    assert database.lifecycle.retention(clock.now())["vault_clocks"] == 3
    clock.advance(timedelta(days=364))
    assert "vault_destroyed" not in database.lifecycle.retention(clock.now())
    clock.advance(timedelta(days=2))
    assert database.lifecycle.retention(clock.now())["vault_destroyed"] == 1


def test_retention_takes_nothing_that_the_vault_has_still_to_take_in(database: Database, clock: FixedClock) -> None:
    from nightlight.adapters.lifecycle.retention import Periods, retain

    case = talk(database)
    clock.advance(timedelta(days=400))
    retain(database, clock.now(), Periods())  # without the sweep that goes before it in `Lifecycle`
    assert database.pipeline.event("vell-room-b0") is not None
    database.lifecycle.retention(clock.now())
    assert database.pipeline.event("vell-room-b0") is None
    assert "vell-room-b0" in database.vault.read(case, who=ANA, reason=WHY)


def test_a_note_that_was_lost_is_made_again(database: Database) -> None:
    case = talk(database)
    with database.sql.write() as connection:
        connection.execute(text("DELETE FROM vault_pending"))
    assert database.vault.promote() == 0
    assert database.vault.sweep() == {"promoted": 4}
    assert "vell-room-e" in database.vault.read(case, who=ANA, reason=WHY)


def test_evidence_is_named_to_whom_asks_and_survives_erasure(database: Database) -> None:
    vault, case = filled(database)
    end(database, case)
    result = database.lifecycle.erase("vell", "cli")
    assert ("evidence", case) in [(k.what, k.id) for k in result.kept]
    assert "vell-room-e" in vault.read(case, who=ANA, reason=WHY)
    lines = [msgspec.json.decode(line) for line in database.lifecycle.export("vell", "cli")]
    assert any(line["type"] == "evidence" and line["case"] == case for line in lines)


def test_several_keep_and_read_at_once(database: Database) -> None:
    case = talk(database)
    trouble: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for m in range(4):
                database.vault.keep(case, NewItem(kind=ItemKind.FILE, name=f"{n}-{m}"), f"{n}-{m}".encode() * 1000, "cli")
                database.vault.promote()
                database.vault.read(case, who=ANA, reason=WHY)
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert trouble == []
    assert [i.number for i in database.vault.items(case)] == list(range(1, 16 + 4 + 1))
    assert database.vault.verify().ok and database.audit.verify().ok
