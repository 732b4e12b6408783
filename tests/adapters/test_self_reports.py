"""Self-reports on every database: codes, repetition, withdrawal, expiry, and that nothing about who sent one is kept."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from nightlight.adapters.index import FlatIndex
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.banks import SqlBanks
from nightlight.adapters.store.self_reports import CUT_OFF_AFTER, WITHDRAWN_FOR, Kept, SqlSelfReports
from nightlight.adapters.store.tables import audit, metadata, self_reports
from nightlight.core.bank import Bank, BankKind
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Busy, Conflict, Invalid, NotFound
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.self_report import ALPHABET, BANK, MOST_PICTURES, SelfReportState, code_from, read_code

_onces = itertools.count()


def once() -> str:
    return f"{next(_onces):032x}"


def sha(seed: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.SHA256, random.Random(seed).randbytes(32).hex())


def pdq(seed: int) -> Fingerprint:
    places = random.Random(seed).sample(range(256), 128)
    return Fingerprint(FingerprintKind.PDQ, f"{sum(1 << p for p in places):064x}", 90)


def picture(seed: int) -> tuple[Fingerprint, ...]:
    return sha(seed), pdq(seed)


@pytest.fixture
def banks(database: Database) -> SqlBanks:
    return database.banks(FlatIndex(), lambda data: ())


@pytest.fixture
def reports(database: Database, banks: SqlBanks) -> SqlSelfReports:
    return database.self_reports(banks)


def held(banks: SqlBanks) -> list[Fingerprint]:
    return [f for item in banks.items(BANK) for f in item.fingerprints] if any(b.name == BANK for b in banks.banks()) else []


def test_a_report_is_banked_for_review_and_its_code_follows_it(reports: SqlSelfReports, banks: SqlBanks) -> None:
    code = reports.submit(once(), [picture(1), (sha(2),)])
    (bank,) = [b for b in banks.banks() if b.name == BANK]
    assert (bank.kind, bank.threshold, bank.enabled) == (BankKind.QUARANTINE, 10, True)
    assert set(held(banks)) == {*picture(1), sha(2)}
    near = f"{int(pdq(1).value, 16) ^ 0x3FF:064x}"
    assert [m.distance for m in banks.match([Fingerprint(FingerprintKind.PDQ, near, 90)])] == [10]
    assert banks.match([Fingerprint(FingerprintKind.PDQ, f"{int(pdq(1).value, 16) ^ 0x7FF:064x}", 90)]) == []
    assert reports.state(code) is SelfReportState.RECEIVED
    (waiting,) = reports.waiting()
    assert (waiting.pictures, waiting.state) == (2, SelfReportState.RECEIVED)
    assert {item.source for item in banks.items(BANK)} == set(waiting.sources)
    reports.look(waiting.id, "key:a")
    assert reports.state(code) is SelfReportState.LOOKING
    done = reports.finish(waiting.id, "key:a", keep=True)
    assert (done.kept, reports.state(code), reports.waiting()) == (True, SelfReportState.FINISHED, [])
    assert len(held(banks)) == 3


def test_the_answer_to_a_code_is_the_same_whatever_matched(reports: SqlSelfReports, banks: SqlBanks) -> None:
    banks.create(Bank(name="known"), "test")
    banks.add("known", picture(1), "test")
    known, unknown = reports.submit(once(), [picture(1)]), reports.submit(once(), [picture(2)])
    assert reports.state(known) is reports.state(unknown) is SelfReportState.RECEIVED
    for report in reports.waiting():
        reports.finish(report.id, "key:a", keep=report.id.endswith("0"))
    assert reports.state(known) is reports.state(unknown) is SelfReportState.FINISHED


def test_repeating_a_submission_changes_nothing(reports: SqlSelfReports, banks: SqlBanks) -> None:
    name = once()
    code = reports.submit(name, [picture(1), picture(2)])
    before = banks.items(BANK)
    assert reports.submit(name, [tuple(reversed(picture(2))), picture(1), picture(1)]) == code
    assert banks.items(BANK) == before
    with pytest.raises(Conflict):
        reports.submit(name, [picture(1)])
    assert reports.submit(once(), [picture(1), picture(2)]) != code


def test_a_submission_that_was_cut_off_is_ended_by_its_repetition(
    database: Database, banks: SqlBanks, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports, name = database.self_reports(banks), once()
    real: Callable[..., Any] = banks.add
    calls = itertools.count()

    def killed(*args: Any, **more: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(banks, "add", killed)
    pictures = [picture(n) for n in range(3)]
    with pytest.raises(KeyboardInterrupt):
        reports.submit(name, pictures)
    assert reports.waiting() == [] and len(banks.items(BANK)) == 1
    code = database.self_reports(banks).submit(name, pictures)  # as after a restart
    assert len(banks.items(BANK)) == 3 and reports.state(code) is SelfReportState.RECEIVED


def test_a_submission_that_is_never_repeated_is_swept_away(
    reports: SqlSelfReports, banks: SqlBanks, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = banks.add

    def killed(*args: Any, **more: Any) -> Any:
        real(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(banks, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        reports.submit(once(), [picture(1), picture(2)])
    assert reports.expire(clock.now()) == 0
    clock.advance(CUT_OFF_AFTER)
    assert reports.expire(clock.now()) == 1
    assert held(banks) == []


def test_the_same_submission_many_times_at_once(reports: SqlSelfReports, banks: SqlBanks) -> None:
    name, codes = once(), set[str]()
    threads = [Thread(target=lambda: codes.add(reports.submit(name, [picture(1), picture(2)]))) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(codes) == 1 and len(banks.items(BANK)) == 2


def test_withdrawing_takes_the_fingerprints_out_whatever_the_state(reports: SqlSelfReports, banks: SqlBanks, clock: FixedClock) -> None:
    waiting, finished, other = (reports.submit(once(), [picture(n)]) for n in range(3))
    reports.finish(reports.waiting()[1].id, "key:a", keep=True)
    for code in (waiting, finished):
        assert reports.withdraw(code) is reports.withdraw(code) is reports.state(code) is SelfReportState.WITHDRAWN
    assert set(held(banks)) == set(picture(2)) and len(reports.waiting()) == 1
    assert banks.match([pdq(0)]) == []
    clock.advance(WITHDRAWN_FOR)
    assert reports.expire(clock.now()) == 2
    with pytest.raises(NotFound):
        reports.state(waiting)
    assert reports.state(other) is SelfReportState.RECEIVED


def test_what_was_withdrawn_is_in_no_table_any_more(database: Database, reports: SqlSelfReports, banks: SqlBanks) -> None:
    """Not in what a bank may be rolled back to either. The audit and the index's news know that an item came and went."""
    code = reports.submit(once(), [picture(1)])
    (item,) = banks.items(BANK)
    reports.withdraw(code)
    with database.sql.read() as connection:
        for table in metadata.sorted_tables:
            if table.name not in ("audit", "bank_changes"):
                for row in connection.execute(select(table)).all():
                    assert item.id not in [str(value) for value in row], table.name


def test_a_reviewer_does_not_see_what_was_withdrawn(reports: SqlSelfReports, banks: SqlBanks) -> None:
    code = reports.submit(once(), [picture(1)])
    (report,) = reports.waiting()
    reports.withdraw(code)
    for act in (lambda: reports.look(report.id, "a"), lambda: reports.finish(report.id, "a", keep=True)):
        with pytest.raises(NotFound):
            act()
    with pytest.raises(NotFound):
        reports.look("report_none", "a")


def test_what_was_taken_out_cannot_be_kept_after_all(reports: SqlSelfReports, banks: SqlBanks) -> None:
    reports.submit(once(), [picture(1)])
    (report,) = reports.waiting()
    assert reports.finish(report.id, "a", keep=True).kept is True
    assert reports.finish(report.id, "a", keep=False).kept is False
    assert held(banks) == []
    assert reports.finish(report.id, "a", keep=False).kept is False
    with pytest.raises(Conflict):
        reports.finish(report.id, "a", keep=True)
    with pytest.raises(Conflict):
        reports.look(report.id, "a")


def test_everything_goes_when_its_time_has_come(database: Database, banks: SqlBanks, clock: FixedClock) -> None:
    day = timedelta(days=1)
    reports = database.self_reports(banks, Kept(waiting=90 * day, finished=30 * day, kept=200 * day))
    for n in range(3):
        reports.submit(once(), [picture(n)])
    taken, kept, _ = reports.waiting()
    reports.finish(taken.id, "a", keep=False)
    reports.finish(kept.id, "a", keep=True)

    def after(days: int) -> tuple[int, int, int]:
        clock.advance(start + days * day - clock.now())
        return reports.expire(clock.now()), rows(database), len(banks.items(BANK))

    start = clock.now()
    assert after(29) == (0, 3, 2)
    assert after(30) == (1, 2, 2)
    assert after(90) == (1, 1, 1)
    assert after(199) == (0, 1, 1)
    assert after(200) == (1, 0, 0)


def rows(database: Database) -> int:
    with database.sql.read() as connection:
        return len(connection.execute(select(self_reports.c.id)).all())


def test_an_hour_brings_only_so_many_and_withdrawing_makes_no_room(database: Database, banks: SqlBanks, clock: FixedClock) -> None:
    reports, name = database.self_reports(banks, Kept(an_hour=3)), once()
    codes = [reports.submit(name, [picture(0)]), *(reports.submit(once(), [picture(n)]) for n in (1, 2))]
    reports.withdraw(codes[1])
    with pytest.raises(Busy):
        reports.submit(once(), [picture(4)])
    assert reports.submit(name, [picture(0)]) == codes[0]
    clock.advance(timedelta(hours=1))
    assert reports.submit(once(), [picture(4)])


def test_neither_code_nor_name_nor_hash_is_anywhere_in_the_clear(database: Database, reports: SqlSelfReports, banks: SqlBanks) -> None:
    name = once().replace("0", "e")
    code = reports.submit(name, [picture(1)])
    reports.look(reports.waiting()[0].id, "key:a")
    secrets = [code, code.replace("-", ""), name, *(f.value for f in picture(1))]
    needles = [needle for s in secrets for needle in (s.encode(), s.upper().encode())]
    needles += [bytes.fromhex(s) for s in secrets[2:]]
    with database.sql.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).all():
                for value in row:
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    assert not [n for n in needles if n in raw], table.name


def test_what_people_did_is_in_the_audit(database: Database, reports: SqlSelfReports) -> None:
    reports.submit(once(), [picture(1)])
    (report,) = reports.waiting()
    reports.look(report.id, "key:a")
    reports.finish(report.id, "key:b", keep=False)
    with database.sql.read() as connection:
        told = connection.execute(select(audit.c.action, audit.c.actor, audit.c.target).order_by(audit.c.seq)).all()
    assert ("self_report.look", "key:a", report.id) in told and ("self_report.finish", "key:b", report.id) in told
    assert [actor for action, actor, _ in told if action == "bank.item.add"] == ["self-report"]
    assert {actor for action, actor, _ in told if action in ("bank.item.remove", "bank.item.forget")} == {"key:b"}
    assert database.audit.verify().ok


def test_a_backup_does_not_bring_back_what_was_withdrawn(home: Path, tmp_path: Path, clock: FixedClock) -> None:
    def opened() -> tuple[Database, SqlSelfReports, SqlBanks]:
        database = open_database(None, home, KeyFileSealer(home / "keys.json"), clock, migrate=True)
        banks = database.banks(FlatIndex(), lambda data: ())
        return database, database.self_reports(banks), banks

    from nightlight.adapters.lifecycle.backup import restore

    database, reports, banks = opened()
    stays, goes = reports.submit(once(), [picture(1)]), reports.submit(once(), [picture(2)])
    database.lifecycle.backup(tmp_path / "saved", "test")
    reports.withdraw(goes)
    database.close()
    restore(tmp_path / "saved", home, force=True)
    shutil.rmtree(tmp_path / "saved")
    database, reports, banks = opened()
    try:
        assert len(banks.items(BANK)) == 2
        assert reports.expire(clock.now()) == 1
        assert set(held(banks)) == set(picture(1)) and reports.state(stays) is SelfReportState.RECEIVED
        with pytest.raises(NotFound):
            reports.state(goes)
    finally:
        database.close()


@pytest.mark.parametrize(
    ("pictures", "field"),
    [
        ([], "pictures"),
        ([picture(n) for n in range(MOST_PICTURES + 1)], "pictures"),
        ([(pdq(1),)], "pictures[0]"),
        ([picture(1), (sha(1), pdq(1), pdq(2))], "pictures[1]"),
        ([(Fingerprint(FingerprintKind.MD5, "0" * 32), sha(1))], "pictures[0]"),
        ([(Fingerprint(FingerprintKind.SHA256, "AB" * 32),)], "pictures[0].sha256"),
        ([(sha(1), Fingerprint(FingerprintKind.PDQ, pdq(1).value, 49))], "pictures[0].quality"),
        ([(sha(1), Fingerprint(FingerprintKind.PDQ, pdq(1).value))], "pictures[0].quality"),
        ([(sha(1), Fingerprint(FingerprintKind.PDQ, "0" * 64, 100))], "pictures[0].pdq"),
        ([(sha(1), Fingerprint(FingerprintKind.PDQ, "f" * 64, 100))], "pictures[0].pdq"),
    ],
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_is_no_picture_is_refused_by_its_field(reports: SqlSelfReports, banks: SqlBanks, pictures: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        reports.submit(once(), pictures)
    assert caught.value.field == field and held(banks) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_bank_of_that_name_that_could_block_is_not_used(reports: SqlSelfReports, banks: SqlBanks) -> None:
    banks.create(Bank(name=BANK, kind=BankKind.OWN), "test")
    with pytest.raises(Conflict):
        reports.submit(once(), [picture(1)])
    assert banks.items(BANK) == []


# -- the code ----------------------------------------------------------------------------------------------------------------------

codes = st.binary(min_size=32, max_size=32).map(code_from)


@given(codes)
def test_a_code_is_read_however_it_is_typed(code: str) -> None:
    assert len(code.replace("-", "")) == 20
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("-", " \u2013 "), f"  {code}\n", code.replace("8", "b")):
        assert read_code(typed) == code


@given(codes, st.data())
def test_every_single_slip_is_noticed(code: str, data: st.DataObject) -> None:
    signs = code.replace("-", "")
    at = data.draw(st.integers(0, 19))
    other = data.draw(st.sampled_from([s for s in ALPHABET if s != signs[at]]))
    slips = [signs[:at] + other + signs[at + 1 :], signs[:at] + signs[at + 1 :], signs[:at] + signs[at] + signs[at:]]
    to = data.draw(st.integers(0, 19))
    if signs[at] != signs[to]:
        swapped = list(signs)
        swapped[at], swapped[to] = swapped[to], swapped[at]
        slips.append("".join(swapped))
    for slip in slips:
        with pytest.raises(Invalid, match="typing mistake"):
            read_code(slip)


@given(st.text(max_size=100))
def test_nothing_that_is_typed_breaks_the_reader(text: str) -> None:
    try:
        read = read_code(text)
    except Invalid as error:
        assert (error.field, error.message) == ("code", "this code has a typing mistake in it")
    else:
        assert read_code(read) == read


def test_every_bit_of_chance_changes_the_code() -> None:
    made = {code_from(n.to_bytes(32)) for n in range(2000)}
    assert len(made) == 2000
