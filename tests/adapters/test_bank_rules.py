"""What a bank lets a match, a person and a list do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from nightlight.adapters.store import Database
from nightlight.adapters.store.banks import SqlBanks
from nightlight.adapters.store.tables import bank_changes, micros, states
from nightlight.core.bank import Applied, Bank, BankAction, BankItem, BankKind, Category, Match, NewItem, Standing
from nightlight.core.clock import FixedClock
from nightlight.core.detect import Key
from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError, NotFound, TooLarge
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from tests.adapters.banking import DictIndex, hasher, md5, pdq, sha


@pytest.fixture
def index() -> DictIndex:
    return DictIndex()


def parts(data: bytes) -> list[Fingerprint]:
    """Two parts worth keeping, one that is featureless, and one that is no likeness at all."""
    number = int(data)
    return [pdq(number << 100), pdq(number << 120, 80), pdq(number << 140, 10), sha(number), pdq(number << 64)]


def seen(version: int, raw: bytes, key: Key) -> int:
    assert (version, key.id) == (2, "own/" + key.id.split("/")[1])
    return int(msgspec.msgpack.decode(raw))


@pytest.fixture
def banks(database: Database, index: DictIndex) -> SqlBanks:
    return database.banks(index, hasher, deriver=parts, seen=seen)


class Counted:
    """How many statements a block sends to the database."""

    def __init__(self, database: Database) -> None:
        from sqlalchemy import event

        self.statements = 0
        event.listen(database.sql.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.statements += 1


# -- matching ----------------------------------------------------------------------------------------------------------------------


def test_a_match_says_what_it_may_do(banks: SqlBanks) -> None:
    made = Bank(name="list", kind=BankKind.PARTNER, action=BankAction.REVIEW, authority=True, share=0.25)
    banks.create(made, "a")
    item = banks.add("list", [sha(1)], "a", category=Category.B1, generated=False)
    (match,) = banks.search([sha(1)])
    assert match == Match(
        bank="list",
        bank_kind=BankKind.PARTNER,
        item=item.id,
        kind=FingerprintKind.SHA256,
        distance=0,
        threshold=31,
        action=BankAction.REVIEW,
        authority=True,
        share=0.25,
        category=Category.B1,
        generated=False,
    )
    assert banks.search_exact([sha(1)]) == [match] == banks.match([sha(1)])
    assert banks.search_many([[sha(2)], [sha(1)], []]) == [[], [match], []]
    banks.change("list", "a", action=BankAction.COUNT, share=1.0, authority=False, lead=True)
    (match,) = banks.search([sha(1)])
    assert (match.action, match.share, match.authority) == (BankAction.COUNT, 1.0, False)


def test_a_bank_matches_its_kinds_only(banks: SqlBanks) -> None:
    banks.create(Bank(name="own", kinds=(FingerprintKind.SHA256,)), "a")
    banks.add("own", [sha(1), md5(1)], "a")
    assert [m.kind for m in banks.search([sha(1), md5(1)])] == [FingerprintKind.SHA256]
    banks.change("own", "a", kinds=[])
    assert len(banks.search([sha(1), md5(1)])) == 2


def test_what_nobody_has_looked_at_holds_and_no_more(banks: SqlBanks) -> None:
    banks.create(Bank(name="reported", kind=BankKind.QUARANTINE), "a")
    banks.create(Bank(name="own"), "a")
    banks.add("reported", [sha(1)], "a")
    item, paused = banks.add("own", [sha(2), pdq(2 << 64)], "a"), banks.add("own", [sha(3)], "a")
    banks.pause("own", paused.id, "system")
    banks.verdict("own", item.id, True, "r")
    banks.derive("own", item.id, b"2", "r")
    milder = {BankAction.BLOCK: BankAction.HOLD}
    for action in BankAction:
        for name in ("reported", "own"):
            banks.change(name, "a", action=action)
        held = milder.get(action, action)
        assert [m.action for m in banks.search([sha(1)])] == [held]
        assert [(m.action, m.paused, m.derived) for m in banks.search([sha(2)])] == [(action, False, False)]
        assert [(m.action, m.paused) for m in banks.search([sha(3)])] == [(held, True)]
        assert [(m.action, m.derived) for m in banks.search([pdq(2 << 100)])] == [(held, True)]


def test_a_search_that_finds_nothing_asks_no_database(banks: SqlBanks, database: Database) -> None:
    banks.create(Bank(name="own"), "a")
    banks.create(Bank(name="sha", kinds=(FingerprintKind.MD5,)), "a")
    banks.add("own", [sha(1)], "a")
    banks.add("sha", [sha(2)], "a")
    counted = Counted(database)
    assert banks.search([sha(3), sha(2)]) == banks.search_exact([sha(3)]) == []
    assert banks.search_many([[sha(3)], [sha(4)]]) == [[], []]
    assert counted.statements == 0
    banks.search_many([[sha(1)], [sha(1)], [sha(3)]])
    assert counted.statements == 1


def test_what_another_process_took_out_matches_no_more_before_the_index_knows(
    banks: SqlBanks, database: Database, index: DictIndex
) -> None:
    banks.create(Bank(name="own"), "a")
    gone, off = banks.add("own", [sha(1)], "a"), banks.add("own", [sha(2)], "a")
    other = database.banks(DictIndex(), hasher)
    other.remove("own", gone.id, "b")
    other.set_item_enabled("own", off.id, False, "b")
    assert len(index.search([sha(1), sha(2)])) == 2
    assert banks.search([sha(1), sha(2)]) == []


def test_a_foreign_kind_that_the_index_refuses_stops_nothing_else(banks: SqlBanks, database: Database, index: DictIndex) -> None:
    from nightlight.adapters.index import FlatIndex

    banks.create(Bank(name="own", thresholds={"x-other": 40}), "a")
    foreign = Fingerprint(FingerprintKind("x-other"), "ab" * 20)
    flat = database.banks(FlatIndex(), hasher)
    item = banks.add("own", [foreign, sha(1)], "a")
    banks.add("own", [sha(2)], "a")
    flat.refresh()
    assert {m.item for m in flat.search([sha(1)])} == {item.id}
    assert len(flat.search([sha(2)])) == 1
    again = database.banks(FlatIndex(), hasher)
    assert {m.item for m in again.search([sha(1)])} == {item.id}
    assert banks.items("own")[0].fingerprints == (foreign, sha(1)), "it is kept all the same"


def test_settings_that_are_none(banks: SqlBanks) -> None:
    banks.create(Bank(name="own"), "a")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"share": 1.5}, "share"),
        ({"share": float("nan")}, "share"),
        ({"share": True}, "share"),
        ({"threshold": 32}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"action": "block"}, "action"),
        ({"kinds": ("pdq",)}, "kinds[0]"),
        ({"kinds": (FingerprintKind.PDQ, FingerprintKind.PDQ)}, "kinds"),
        ({"thresholds": {"pdq": 3}}, "thresholds"),
        ({"thresholds": {"x-other": -1}}, "thresholds"),
        ({"thresholds": {"x-": 1}}, "thresholds"),
        ({"expires_after_days": 0}, "expires_after_days"),
        ({"expires_after_days": 10**9}, "expires_after_days"),
        ({"note": "\ud800"}, "note"),
        ({"enabled": 1}, "enabled"),
    ]
    for setting, field in wrong:
        for call in (lambda s: banks.create(replace(Bank(name="other"), **s), "a"), lambda s: banks.change("own", "a", **s)):
            with pytest.raises(Invalid) as refused:
                call(setting)
            assert refused.value.field == field
    assert [b.name for b in banks.banks()] == ["own"]


# -- a list's many changes ---------------------------------------------------------------------------------------------------------


def row(source: int, *numbers: int, **more: object) -> NewItem:
    return NewItem(fingerprints=tuple(sha(n) for n in numbers or (source,)), source=str(source), **more)  # type: ignore[arg-type]


def test_a_list_is_applied_by_its_own_ids(banks: SqlBanks, database: Database, index: DictIndex) -> None:
    banks.create(Bank(name="list", kind=BankKind.PARTNER), "a")
    assert banks.apply("list", [row(n) for n in range(10)], [], "x") == Applied(added=10)
    ids = {i.source: i.id for i in banks.items("list")}
    banks.set_item_enabled("list", ids["1"], False, "reviewer")
    banks.pause("list", ids["2"], "system")
    put = [row(0), row(1, 101), row(2, 2, labels=("new",)), row(3, category=Category.A1), row(50)]
    entries = len(database.audit.entries())
    assert banks.apply("list", put, ["8", "9", "absent"], "x") == Applied(added=1, changed=3, withdrawn=2, unchanged=1)
    now = {i.source: i for i in banks.items("list")}
    assert {s: i.id for s, i in now.items() if s != "50"} == {s: ids[str(s)] for s in ids if s not in ("8", "9")}
    assert (now["1"].fingerprints, now["1"].enabled) == ((sha(101),), False), "a person's switch outlives the list's change"
    assert now["2"].labels == ("new",) and now["2"].paused_at is not None
    assert {m.item for m in banks.search([sha(50), sha(3), sha(9), sha(101)])} == {now["50"].id, now["3"].id}
    assert {i.id: i for i in index.items.values()} == {i.id: i for i in banks.items("list")}
    (entry,) = (e for _, e in database.audit.entries()[entries:])
    assert (entry.action, entry.detail["added"], entry.detail["withdrawn"]) == ("bank.apply", 1, 2)
    assert sha(50).value not in repr(entry) and len(str(entry.detail["commitment"])) == 64
    assert banks.apply("list", put, ["8"], "x") == Applied(unchanged=5)


def test_thousands_of_changes_reach_another_index_in_a_few_queries(banks: SqlBanks, database: Database) -> None:
    banks.create(Bank(name="list"), "a")
    other = database.banks(DictIndex(), hasher)
    banks.apply("list", [row(n) for n in range(2500)], [], "x")
    banks.apply("list", [], [str(n) for n in range(0, 2500, 2)], "x")
    counted = Counted(database)
    assert other.refresh() == 3750
    assert counted.statements <= 3 * 4 + 1
    assert other.sizes() == {FingerprintKind.SHA256: 1250}
    assert other.search([sha(2)]) == []
    assert len(other.search([sha(2499)])) == 1


def test_a_bad_row_changes_nothing_and_is_named(banks: SqlBanks) -> None:
    banks.create(Bank(name="list"), "a")
    banks.apply("list", [row(77)], [], "x")
    wrong: list[tuple[list[NewItem], Any, str]] = [
        ([NewItem(fingerprints=(sha(1),))], [], "put[1].source"),
        ([row(1), row(1)], [], "put[2].source"),
        ([row(1)], ["1"], "withdraw[0]"),
        ([row(1), NewItem(fingerprints=(), source="s")], [], "put[2].fingerprints"),
        ([NewItem(fingerprints=(Fingerprint(FingerprintKind.MD5, "zz" * 16),), source="s")], [], "put[1].fingerprints[0].value"),
        ([row(1, category="A1")], [], "put[1].category"),
        ([row(n) for n in range(5001)], [], "put"),
        ([], ["a\0"], "withdraw[0]"),
        ([], "abc", "withdraw"),
    ]
    for put, withdraw, field in wrong:
        with pytest.raises(Invalid) as refused:
            banks.apply("list", [row(99), *put], withdraw, "x")
        assert refused.value.field == field
        assert isinstance(refused.value, TooLarge) == (field == "put")
    assert [i.source for i in banks.items("list")] == ["77"]


def test_lists_applied_at_once_lose_nothing(banks: SqlBanks, database: Database) -> None:
    banks.create(Bank(name="list"), "a")
    failed: list[BaseException] = []

    def work(start: int) -> None:
        mine = database.banks(DictIndex(), hasher)
        try:
            for n in range(start, start + 40, 20):
                mine.apply("list", [row(s) for s in range(n, n + 30)], [], "x")
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=work, args=(start,)) for start in (0, 10, 20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failed == []
    assert sorted(int(i.source or -1) for i in banks.items("list", most=1000)) == list(range(70)), "each source's id once"
    assert banks.banks()[0].version == len(banks.versions("list"))


def test_a_video_gives_many_fingerprints(banks: SqlBanks) -> None:
    banks.create(Bank(name="own"), "a")
    assert len(banks.add("own", [pdq(n) for n in range(1024)], "a").fingerprints) == 1024
    with pytest.raises(Invalid):
        banks.add("own", [pdq(n) for n in range(1025)], "a")


# -- known false matches ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def false(banks: SqlBanks) -> SqlBanks:
    banks.create(Bank(name="false", kind=BankKind.NEGATIVE), "a")
    return banks


def matches(banks: SqlBanks, number: int = 1) -> bool:
    return bool(banks.search([sha(number)]))


def test_a_false_match_takes_two_people_and_ends(false: SqlBanks, clock: FixedClock, database: Database) -> None:
    item = false.add("false", [sha(1)], "ann")
    assert (item.enabled, item.proposed_by, item.approved_by) == (False, "ann", None)
    assert item.expires_at == clock.now() + timedelta(days=365)
    with pytest.raises(Denied):
        false.approve("false", item.id, "ann")
    with pytest.raises(Conflict):
        false.set_item_enabled("false", item.id, True, "bo")
    assert not matches(false)
    approved = false.approve("false", item.id, "bo")
    assert (approved.enabled, approved.approved_by, approved.overrides_authority) == (True, "bo", False)
    assert approved == false.item("false", item.id)
    assert matches(false)
    false.set_item_enabled("false", item.id, False, "ann")
    assert not matches(false)
    false.set_item_enabled("false", item.id, True, "ann")
    assert matches(false), "what two people agreed on, one may switch"
    actions = [e.action for _, e in database.audit.entries()]
    assert actions[1:3] == ["bank.item.propose", "bank.item.approve"]
    clock.advance(timedelta(days=365))
    assert false.expire(clock.now()) == 1 and not matches(false)


def test_only_a_lead_lets_it_override_an_authoritys_list(false: SqlBanks) -> None:
    item = false.add("false", [sha(1)], "ann")
    false.approve("false", item.id, "bo")
    assert [m.overrides_authority for m in false.search([sha(1)])] == [False]
    with pytest.raises(Denied):
        false.approve("false", item.id, "ann", lead=True)
    false.set_item_enabled("false", item.id, False, "ann")
    assert false.approve("false", item.id, "lee", lead=True).enabled is False, "it stays switched off"
    false.set_item_enabled("false", item.id, True, "ann")
    assert [m.overrides_authority for m in false.search([sha(1)])] == [True]
    false.approve("false", item.id, "bo")
    assert [m.overrides_authority for m in false.search([sha(1)])] == [True]


def test_only_a_lead_says_that_a_list_is_no_authoritys(banks: SqlBanks) -> None:
    banks.create(Bank(name="list", kind=BankKind.PARTNER), "a")
    banks.add("list", [sha(1)], "a")
    banks.change("list", "a", authority=True, threshold=9)
    before = banks.banks()
    with pytest.raises(Denied):
        banks.change("list", "a", authority=False, threshold=8)
    assert banks.banks() == before
    assert banks.rollback("list", 1, "a").authority, "nor does going back to before it was one"
    banks.change("list", "a", authority=True, enabled=True)
    assert not banks.change("list", "a", authority=False, lead=True).authority
    assert not banks.change("list", "a", authority=False).authority, "which it is not any more"


def test_a_negative_bank_takes_exact_bytes_for_a_time(false: SqlBanks, clock: FixedClock) -> None:
    for prints, field in (([pdq(1)], "fingerprints[0].kind"), ([sha(1), md5(1)], "fingerprints[1].kind")):
        with pytest.raises(Invalid) as refused:
            false.add("false", prints, "ann")
        assert refused.value.field == field
    for days in (0, -1, 731):
        with pytest.raises(Invalid) as refused:
            false.add("false", [sha(1)], "ann", expires_at=clock.now() + timedelta(days=days))
        assert refused.value.field == "expires_at"
    assert false.add_bytes("false", b"1", "ann").fingerprints == (sha(1),)
    item = false.add("false", [sha(2)], "ann", expires_at=clock.now() + timedelta(days=1))
    clock.advance(timedelta(days=1))
    with pytest.raises(Conflict):
        false.approve("false", item.id, "bo")


def _by_bulk(banks: SqlBanks, name: str) -> None:
    banks.apply(name, [row(1)], [], "ann")
    banks.apply(name, [row(1, labels=("again",))], [], "ann")


def _by_bulk_over_an_approved_one(banks: SqlBanks, name: str) -> None:
    banks.apply(name, [row(2)], [], "ann")
    banks.approve(name, banks.items(name)[0].id, "bo", lead=True)
    banks.apply(name, [NewItem(fingerprints=(sha(1),), source="2")], [], "ann")


def _by_going_back_to_an_approved_one(banks: SqlBanks, name: str) -> None:
    item = banks.add(name, [sha(1)], "ann")
    banks.approve(name, item.id, "bo", lead=True)
    version = banks.versions(name)[0].version
    banks.remove(name, item.id, "bo")
    banks.rollback(name, version, "ann")


def _by_going_back_over_a_change(banks: SqlBanks, name: str) -> None:
    banks.apply(name, [row(1)], [], "ann")
    banks.approve(name, banks.items(name)[0].id, "bo")
    version = banks.versions(name)[0].version
    banks.apply(name, [NewItem(fingerprints=(sha(2),), source="1")], [], "ann")
    banks.rollback(name, version, "ann")


def _by_switching_on(banks: SqlBanks, name: str) -> None:
    item = banks.add(name, [sha(1)], "ann")
    for _ in range(2):
        with pytest.raises(Conflict):
            banks.set_item_enabled(name, item.id, True, "ann")
    banks.change(name, "ann", enabled=False)
    banks.change(name, "ann", enabled=True)


def _by_a_bank_of_the_same_name(banks: SqlBanks, name: str) -> None:
    banks.add(name, [sha(1)], "ann")
    with pytest.raises(Conflict):
        banks.create(Bank(name=name, kind=BankKind.OWN), "ann")


def _by_pausing(banks: SqlBanks, name: str) -> None:
    item = banks.add(name, [sha(1)], "ann")
    banks.pause(name, item.id, "ann")
    banks.verdict(name, item.id, True, "ann")
    banks.resume(name, item.id, "ann")


def test_one_person_gets_round_the_second_by_no_way(banks: SqlBanks) -> None:
    attempts: list[Callable[[SqlBanks, str], None]] = [
        _by_bulk,
        _by_bulk_over_an_approved_one,
        _by_going_back_to_an_approved_one,
        _by_going_back_over_a_change,
        _by_switching_on,
        _by_a_bank_of_the_same_name,
        _by_pausing,
    ]
    for attempt in attempts:
        name = attempt.__name__.strip("_")
        banks.create(Bank(name=name, kind=BankKind.NEGATIVE), "a")
        attempt(banks, name)
        assert not matches(banks), name
        (item,) = banks.items(name)
        assert (item.enabled, item.approved_by, item.overrides_authority) == (False, None, False), name
        with pytest.raises(NightlightError):
            banks.approve(name, item.id, "ann")
        banks.approve(name, item.id, "cy")
        assert matches(banks), name
        banks.change(name, "a", enabled=False)


def test_a_list_of_false_matches_may_come_again_without_a_new_approval(false: SqlBanks, clock: FixedClock) -> None:
    false.apply("false", [row(1)], [], "ann")
    false.approve("false", false.items("false")[0].id, "bo")
    clock.advance(timedelta(days=1))
    assert false.apply("false", [row(1)], [], "ann") == Applied(unchanged=1)
    assert matches(false)


# -- time ---------------------------------------------------------------------------------------------------------------------------


def test_items_go_when_their_time_has_come(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="days", expires_after_days=10), "a")
    banks.create(Bank(name="own"), "a")
    old, dated = banks.add("days", [sha(1)], "a"), banks.add("days", [sha(2)], "a", expires_at=clock.now() + timedelta(days=30))
    soon, kept = banks.add("own", [sha(3)], "a", expires_at=clock.now() + timedelta(days=1)), banks.add("own", [sha(4)], "a")
    assert banks.expire(clock.now()) == 0
    clock.advance(timedelta(days=1))
    assert banks.expire(clock.now()) == 1 and banks.items("own") == [kept]
    clock.advance(timedelta(days=9))
    other = database.banks(DictIndex(), hasher)
    assert other.expire(clock.now()) == 1
    banks.refresh()
    assert {m.item for m in banks.search([sha(1), sha(2), sha(3), sha(4)])} == {dated.id, kept.id}
    entry = database.audit.entries()[-1][1]
    assert (entry.action, entry.target, entry.actor, entry.detail["items"]) == ("bank.expire", "days", "system", 1)
    banks.rollback("days", 2, "a")
    assert [i.id for i in banks.items("days")] == [old.id]
    assert banks.expire(clock.now()) == 1, "what is due goes again"
    assert soon.expires_at is not None


def test_an_item_matches_no_more_from_the_moment_it_ends(banks: SqlBanks, clock: FixedClock) -> None:
    banks.create(Bank(name="own", expires_after_days=30), "a")
    banks.create(Bank(name="false", kind=BankKind.NEGATIVE), "a")
    end = clock.now() + timedelta(days=10)
    false = banks.add("false", [sha(1)], "a", expires_at=end)
    banks.approve("false", false.id, "b")
    banks.add("own", [sha(1)], "a")
    clock.advance(timedelta(days=10) - timedelta(microseconds=1))
    assert {m.bank for m in banks.search([sha(1)])} == {"own", "false"}
    clock.advance(timedelta(microseconds=1))
    for search in (banks.search, banks.search_exact, lambda prints: banks.search_many([prints])[0]):
        assert {m.bank for m in search([sha(1)])} == {"own"}, "although no sweep has come by"
    clock.advance(timedelta(days=20))
    assert banks.search([sha(1)]) == []


def test_a_bank_whose_rule_another_process_lifted_loses_nothing(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own", expires_after_days=1), "a")
    banks.add("own", [sha(1)], "a")
    database.banks(DictIndex(), hasher).change("own", "b", expires_after_days=None)
    clock.advance(timedelta(days=2))
    assert banks.expire(clock.now()) == 0
    assert len(banks.items("own")) == 1


def test_expiry_of_many_is_done_in_steps(banks: SqlBanks, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    until = clock.now() + timedelta(days=1)
    banks.apply("own", [row(n, expires_at=until) for n in range(2100)], [], "x")
    clock.advance(timedelta(days=2))
    assert banks.expire(clock.now()) == 2100
    assert banks.items("own") == []


# -- people's judgement ---------------------------------------------------------------------------------------------------------------


def test_verdicts_are_one_a_person_and_written_back_once(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    item, other = banks.add("own", [sha(1)], "a", source="s-1"), banks.add("own", [sha(2)], "a")
    banks.verdict("own", item.id, False, "ann", "a plush toy")
    clock.advance(timedelta(minutes=1))
    banks.verdict("own", item.id, True, "ann")
    second = banks.verdict("own", item.id, False, "bo", "not so sure")
    banks.verdict("own", other.id, True, "bo")
    assert [(v.by, v.confirm) for v in banks.verdicts("own", item.id)] == [("ann", True), ("bo", False)]
    unsent = banks.unsent_verdicts("own")
    assert [(v.by, v.confirm, v.source, v.note) for v in unsent] == [("ann", True, "s-1", ""), ("bo", False, "s-1", "not so sure")]
    banks.mark_sent("own", [v.id for v in unsent])
    banks.mark_sent("own", [second.id, 10**9])
    assert banks.unsent_verdicts("own") == []
    banks.verdict("own", item.id, True, "bo")
    assert [v.by for v in banks.unsent_verdicts("own", 1)] == ["bo"]
    with pytest.raises(NotFound):
        banks.verdict("own", "none", True, "ann")
    with database.sql.read() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM bank_verdicts").all()
    assert len(stored) == 5, "what was said before is kept"
    assert b"not so sure" not in b"".join(bytes(v) for r in stored for v in r if isinstance(v, bytes | memoryview))


def test_standing_tells_what_became_of_items(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    met, new = banks.add("own", [sha(1)], "a"), banks.add("own", [sha(2)], "a")
    with database.sql.write() as connection:
        key = Key.media(f"own/{met.id}")
        saved = {"id": key.id, "kind": key.kind.value, "detector": "known_media", "version": 2, "raw": msgspec.msgpack.encode(7)}
        connection.execute(states.insert().values(**saved, updated_at=micros(clock.now())))
    for by, confirm in (("ann", True), ("bo", True), ("cy", False), ("ann", False)):
        banks.verdict("own", met.id, confirm, by)
    assert banks.standing("own", [met.id, new.id, met.id]) == {met.id: Standing(seen=7, confirmed=1, denied=2), new.id: Standing()}
    assert banks.standing("own", []) == {}


def test_a_pause_ends_by_a_persons_word(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    item = banks.add("own", [sha(1)], "a")
    banks.verdict("own", item.id, True, "ann")
    clock.advance(timedelta(minutes=1))
    assert banks.pause("own", item.id, "system").paused_at == clock.now()
    clock.advance(timedelta(minutes=1))
    assert banks.pause("own", item.id, "system").paused_at == clock.now() - timedelta(minutes=1), "a flood that goes on pauses once"
    for note in ("", "  "):
        with pytest.raises(Conflict):
            banks.resume("own", item.id, "ann", note)
    banks.verdict("own", item.id, True, "bo")
    assert banks.resume("own", item.id, "ann").paused_at is None
    banks.pause("own", item.id, "system")
    banks.resume("own", item.id, "ann", "a film poster that everybody shares today")
    told = [e for _, e in database.audit.entries()]
    assert [e.action for e in told if "pause" in e.action or "resume" in e.action] == [
        "bank.item.pause",
        "bank.item.resume",
        "bank.item.pause",
        "bank.item.resume",
    ]
    assert "film poster" not in repr(told)


# -- parts of confirmed pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def confirmed(banks: SqlBanks) -> BankItem:
    banks.create(Bank(name="own"), "a")
    item = banks.add_bytes("own", b"5", "a", category=Category.B2)
    banks.verdict("own", item.id, True, "ann")
    return item


def test_parts_of_a_confirmed_picture_are_banked_and_go_with_it(banks: SqlBanks, confirmed: BankItem) -> None:
    part = banks.derive("own", confirmed.id, b"5", "ann")
    assert part is not None
    assert part.id.startswith("crop_")
    assert (part.derived_from, part.fingerprints, part.category) == (confirmed.id, (pdq(5 << 100), pdq(5 << 120, 80)), Category.B2)
    assert banks.derive("own", confirmed.id, b"5", "ann") == part, "once an item"
    banks.set_item_enabled("own", confirmed.id, False, "a")
    assert banks.search([pdq(5 << 100)]) == []
    banks.set_item_enabled("own", confirmed.id, True, "a")
    assert [m.derived for m in banks.search([pdq(5 << 100)])] == [True]
    banks.remove("own", confirmed.id, "a")
    assert banks.items("own") == [] and banks.search([pdq(5 << 100)]) == []


def test_parts_go_with_a_picture_that_is_withdrawn_changed_or_expired(banks: SqlBanks, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    until = clock.now() + timedelta(days=1)
    for n in (1, 2, 3):
        put = NewItem(fingerprints=hasher(str(n).encode()), source=str(n), expires_at=until if n == 3 else None)
        banks.apply("own", [put], [], "x")
    for item in banks.items("own"):
        banks.verdict("own", item.id, True, "r")
        assert banks.derive("own", item.id, str(item.source).encode(), "r") is not None
    assert len(banks.items("own")) == 6
    banks.apply("own", [NewItem(fingerprints=(sha(9),), source="2")], ["1"], "x")
    assert sorted(str(i.source) for i in banks.items("own") if i.derived_from is None) == ["2", "3"]
    assert len(banks.items("own")) == 3
    clock.advance(timedelta(days=1))
    assert banks.expire(clock.now()) == 2


def test_what_may_not_be_derived(banks: SqlBanks, confirmed: BankItem) -> None:
    banks.create(Bank(name="list", kind=BankKind.PARTNER), "a")
    theirs, unseen = banks.add_bytes("list", b"5", "a"), banks.add_bytes("own", b"6", "a")
    banks.verdict("list", theirs.id, True, "ann")
    banks.verdict("own", unseen.id, False, "ann")
    for bank, item, error in (("list", theirs.id, Conflict), ("own", unseen.id, Conflict), ("own", "none", NotFound)):
        with pytest.raises(error):
            banks.derive(bank, item, b"5" if item != unseen.id else b"6", "ann")
    with pytest.raises(Invalid) as refused:
        banks.derive("own", confirmed.id, str(2**60 - 1).encode(), "ann")
    assert refused.value.field == "file"
    part = banks.derive("own", confirmed.id, b"4", "ann")
    assert part is not None, "another file of the same picture: a bit apart"
    banks.verdict("own", part.id, True, "ann")
    with pytest.raises(Conflict):
        banks.derive("own", part.id, b"4", "ann")


def test_nothing_is_derived_where_no_part_shows_anything(database: Database) -> None:
    for deriver in (None, lambda data: [pdq(1, 20)], lambda data: []):
        banks = database.banks(DictIndex(), hasher, deriver=deriver)
        if not banks.banks():
            banks.create(Bank(name="own"), "a")
        item = banks.add_bytes("own", b"5", "a")
        banks.verdict("own", item.id, True, "r")
        assert banks.derive("own", item.id, b"5", "r") is None


def test_every_change_reaches_the_mirrors_as_one_transaction(false: SqlBanks, database: Database) -> None:
    """Whatever is refused leaves no trace."""
    item = false.add("false", [sha(1)], "ann")
    with database.sql.read() as connection:
        before = connection.execute(bank_changes.select()).all()
    rows = len(database.audit.entries())
    refused: list[Callable[[], object]] = [
        lambda: false.approve("false", item.id, "ann"),
        lambda: false.set_item_enabled("false", item.id, True, "bo"),
        lambda: false.rollback("false", 77, "bo"),
        lambda: false.derive("false", item.id, b"1", "bo"),
        lambda: false.add("false", [md5(1)], "bo"),
    ]
    for call in refused:
        with pytest.raises(NightlightError):
            call()
    with database.sql.read() as connection:
        assert connection.execute(bank_changes.select()).all() == before
    assert len(database.audit.entries()) == rows
    assert false.banks()[0].version == 2
