"""Reviewers' accounts on both databases: what is refused is refused in the same words, once used is used, ended is ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from nightlight.adapters.store import Database
from nightlight.adapters.store.reviewer_secrets import Passwords, new_code
from nightlight.adapters.store.reviewer_sessions import Staying
from nightlight.adapters.store.reviewer_tables import recovery_codes, reviewers, sessions
from nightlight.adapters.store.reviewers import SqlReviewers
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from nightlight.core.staff import Role

PASSWORD = "four plain words here"
BY = "cli:test"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The real algorithm with its least cost."""


@pytest.fixture
def desk(database: Database, clock: FixedClock) -> SqlReviewers:
    staying = Staying(idle=timedelta(minutes=30), longest=timedelta(hours=2))
    return SqlReviewers(database.sql, database.audit, database.sealer, clock, staying=staying, passwords=Passwords(QUICK))


class Phone:
    """An authenticator."""

    def __init__(self, key: str, clock: FixedClock) -> None:
        self._totp, self._clock = pyotp.TOTP(key), clock

    def code(self, steps: int = 0) -> str:
        return self._totp.at(self._clock.now() + timedelta(seconds=30 * steps))


def enrolled(desk: SqlReviewers, clock: FixedClock, id: str = "ana", role: Role = Role.REVIEWER) -> tuple[Phone, tuple[str, ...]]:
    _, code = desk.add(id, id.title(), role, BY)
    phone = Phone(desk.enrolment(code).key, clock)
    _, codes = desk.enrol(code, PASSWORD, phone.code())
    clock.advance(timedelta(seconds=30))
    return phone, codes


def refusal(desk: SqlReviewers, id: str, password: str, code: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        desk.sign_in(id, password, code)
    return caught.value.message


def test_a_person_enrols_signs_in_and_out(desk: SqlReviewers, clock: FixedClock) -> None:
    phone, codes = enrolled(desk, clock)
    assert len(set(codes)) == 10
    secret = desk.sign_in("  ANA ", PASSWORD, phone.code(), "Firefox on Linux")
    held = desk.session(secret)
    assert held is not None
    assert (held.person.id, held.person.role, held.person.enrolled) == ("ana", Role.REVIEWER, True)
    (listed,) = desk.sessions("ana")
    assert (listed.id, listed.browser) == (held.session, "Firefox on Linux")
    assert desk.session(secret[:-1] + ("A" if secret[-1] != "A" else "B")) is None
    desk.sign_out(secret)
    assert desk.session(secret) is None


def test_every_refusal_has_the_same_words(desk: SqlReviewers, clock: FixedClock) -> None:
    phone, _ = enrolled(desk, clock)
    desk.add("invited", "Invited", Role.LEAD, BY)
    enrolled(desk, clock, "gone")
    desk.set_disabled("gone", True, BY)
    said = {
        refusal(desk, "nobody", PASSWORD, phone.code()),
        refusal(desk, "ana", "another password", phone.code()),
        refusal(desk, "ana", PASSWORD, "000000"),
        refusal(desk, "ana", PASSWORD, ""),
        refusal(desk, "ana", "", ""),
        refusal(desk, "an\0a", PASSWORD, phone.code()),
        refusal(desk, "x" * 5000, "y" * 5000, "z" * 5000),
        refusal(desk, "invited", PASSWORD, phone.code()),
        refusal(desk, "gone", PASSWORD, phone.code()),
    }
    assert len(said) == 1
    assert desk.sign_in("ana", PASSWORD, phone.code())  # and none of it used anything up


def test_a_hash_is_computed_for_nobody_too(database: Database, clock: FixedClock) -> None:
    class Counting(PasswordHasher):
        seen = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            Counting.seen += 1
            return bool(super().verify(hash, password))

    passwords = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    desk = SqlReviewers(database.sql, database.audit, database.sealer, clock, passwords=passwords)
    enrolled(desk, clock)
    for who in ("nobody", "ana"):
        Counting.seen = 0
        refusal(desk, who, "another password", "000000")
        assert Counting.seen == 1, who


def test_a_code_of_the_authenticator_works_once(desk: SqlReviewers, clock: FixedClock) -> None:
    phone, _ = enrolled(desk, clock)
    code = phone.code()
    desk.sign_in("ana", PASSWORD, code)
    refusal(desk, "ana", PASSWORD, code)
    refusal(desk, "ana", PASSWORD, phone.code(-1))  # an earlier one that was never used is over too
    desk.sign_in("ana", PASSWORD, phone.code(1))  # a clock that is half a minute ahead
    refusal(desk, "ana", PASSWORD, phone.code(2))


def test_of_two_that_use_one_code_at_once_one_is_let_in(desk: SqlReviewers, clock: FixedClock) -> None:
    phone, codes = enrolled(desk, clock)
    for code in (phone.code(), codes[0]):

        def attempt(_: int, code: str = code) -> bool:
            try:
                return bool(desk.sign_in("ana", PASSWORD, code))
            except Unauthenticated:
                return False

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(attempt, range(4))) == 1


def test_a_recovery_code_works_once_however_it_is_typed(desk: SqlReviewers, clock: FixedClock) -> None:
    _, codes = enrolled(desk, clock)
    desk.sign_in("ana", PASSWORD, f" {codes[3].upper().replace('-', ' ')} ")
    refusal(desk, "ana", PASSWORD, codes[3])
    assert desk.people()[0].recovery_codes == 9


def test_sessions_end_when_idle_when_old_and_when_somebody_says_so(desk: SqlReviewers, clock: FixedClock) -> None:
    phone, _ = enrolled(desk, clock)
    secret = desk.sign_in("ana", PASSWORD, phone.code())
    for _ in range(5):  # in use: only the age ends it
        clock.advance(timedelta(minutes=23))
        assert desk.session(secret) is not None
    clock.advance(timedelta(minutes=6))
    assert desk.session(secret) is None
    assert desk.sessions() == []
    idle = desk.sign_in("ana", PASSWORD, phone.code())
    clock.advance(timedelta(minutes=31))
    assert desk.session(idle) is None
    third = desk.sign_in("ana", PASSWORD, phone.code())
    (held,) = desk.sessions()
    desk.revoke(held.id, "lead:lea")
    assert desk.session(third) is None
    with pytest.raises(NotFound):
        desk.revoke(held.id, "lead:lea")


@pytest.mark.parametrize("what", ["role", "disable", "reset"])
def test_what_changes_a_person_ends_their_sessions(desk: SqlReviewers, clock: FixedClock, what: str) -> None:
    phone, codes = enrolled(desk, clock)
    secret = desk.sign_in("ana", PASSWORD, phone.code())
    if what == "role":
        desk.set_role("ana", Role.AUDITOR, BY)
    elif what == "disable":
        desk.set_disabled("ana", True, BY)
    else:
        _, code = desk.reset("ana", BY)
        refusal(desk, "ana", PASSWORD, codes[0])
        key = desk.enrolment(code).key
        assert key != phone._totp.secret
    assert desk.session(secret) is None


def test_the_last_administrator_stays(desk: SqlReviewers, clock: FixedClock) -> None:
    enrolled(desk, clock, "root", Role.ADMINISTRATOR)
    desk.add("second", "Second", Role.ADMINISTRATOR, BY)  # invited only: could not sign in
    for change in (lambda: desk.set_role("root", Role.LEAD, BY), lambda: desk.set_disabled("root", True, BY)):
        with pytest.raises(Conflict):
            change()
    enrolled(desk, clock, "third", Role.ADMINISTRATOR)
    assert desk.set_disabled("root", True, BY).disabled


def test_an_enrolment_code_works_once_and_for_a_week(desk: SqlReviewers, clock: FixedClock) -> None:
    _, code = desk.add("ana", "Ana", Role.REVIEWER, BY)
    shown = desk.enrolment(code)
    assert desk.enrolment(code.upper()) == shown
    assert shown.uri.startswith("otpauth://totp/Nightlight:ana?secret=")
    phone = Phone(shown.key, clock)
    with pytest.raises(Invalid, match="authenticator"):
        desk.enrol(code, PASSWORD, "000000")
    for weak in ("short", "a" * 40, "ana ana", "nightlight1234", "x" * 201):
        with pytest.raises(Invalid):
            desk.enrol(code, weak, phone.code())
    clock.advance(timedelta(days=7))
    for wrong in (code, "", new_code()):
        with pytest.raises(Unauthenticated):
            desk.enrolment(wrong)
    _, code = desk.reset("ana", BY)
    desk.enrol(code, PASSWORD, Phone(desk.enrolment(code).key, clock).code())
    with pytest.raises(Unauthenticated):
        desk.enrol(code, PASSWORD, phone.code())


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # refused before any database is asked
@pytest.mark.parametrize("id", ["", "-a", "a b", "A/b", "\u00e1na", "a" * 41, "../x"])
def test_names_that_are_none(desk: SqlReviewers, id: str) -> None:
    with pytest.raises(Invalid) as caught:
        desk.add(id, "Ana", Role.REVIEWER, BY)
    assert caught.value.field == "id"


def test_the_same_name_twice_is_a_conflict(desk: SqlReviewers) -> None:
    desk.add("ana", "Ana", Role.REVIEWER, BY)
    with pytest.raises(Conflict):
        desk.add("ANA", "Another", Role.LEAD, BY)
    with pytest.raises(NotFound):
        desk.set_role("ben", Role.LEAD, BY)


def test_nothing_secret_is_stored_or_audited(desk: SqlReviewers, database: Database, clock: FixedClock) -> None:
    phone, codes = enrolled(desk, clock)
    secret = desk.sign_in("ana", PASSWORD, phone.code())
    refusal(desk, "ana", "a wrong password", phone.code(1))
    with database.sql.read() as connection:
        rows = [tuple(row) for table in (reviewers, recovery_codes, sessions) for row in connection.execute(select(table))]
    shown = database.trail.search("admin", most=200)
    for hidden in (secret, PASSWORD, "a wrong password", phone._totp.secret, *codes):
        assert hidden not in repr(rows) and hidden.replace("-", "") not in repr(rows)
        assert hidden not in repr(shown)
    done = [entry.action for _, entry in reversed(shown)]
    assert done == ["person.add", "person.enrol", "sign_in", "sign_in.refused"]
    assert shown[1][1].actor == "reviewer:ana"
    assert database.audit.verify().ok


def test_the_trail_is_searched_by_name_and_by_beginning(desk: SqlReviewers, database: Database, clock: FixedClock) -> None:
    for number in range(5):
        desk.add(f"p{number}", "P", Role.REVIEWER, BY if number % 2 else "cli:100%")
    found = database.trail.search("admin", action="person.*", actor="cli:100%")
    assert [entry.target for _, entry in found] == ["p4", "p2", "p0"]
    assert [entry.target for _, entry in database.trail.search("admin", target="p3")] == ["p3"]
    first = database.trail.search("admin", most=2)
    then = database.trail.search("admin", most=2, before=first[-1][0])
    assert [entry.target for _, entry in (*first, *then)] == ["p4", "p3", "p2", "p1"]
    assert database.trail.search("admin", actor="cli:100%*x", since=clock.now() + timedelta(1)) == []
