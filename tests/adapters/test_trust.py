"""Trusted contacts: a code is good for minutes and for one try that finds it, and either of the two can end what came of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from nightlight.adapters.store import Database
from nightlight.adapters.store.tables import audit
from nightlight.adapters.store.trust import MOST_CONTACTS, PairingLimits, SqlTrust
from nightlight.adapters.store.trust_tables import pairing_offers, pairing_tries, trusted_contacts
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Busy
from nightlight.core.event import AgeBand, Assurance, Party
from nightlight.core.gates import PairingAccept, PairingEnd, PairingOffer, PairingState

LIMITS = PairingLimits()
Pair = Callable[[PairingOffer, PairingOffer], bool]


def party(account: str) -> Party:
    return Party(account=account, age_band=AgeBand.A13_15, assurance=Assurance.ESTIMATED)


def offer(account: str) -> PairingOffer:
    return PairingOffer(party=party(account))


def accept(account: str, code: str) -> PairingAccept:
    return PairingAccept(party=party(account), code=code)


@pytest.fixture
def asked() -> list[tuple[PairingOffer, PairingOffer]]:
    return []


@pytest.fixture
def trust(database: Database, asked: list[tuple[PairingOffer, PairingOffer]]) -> SqlTrust:
    def may(one: PairingOffer, other: PairingOffer) -> bool:
        asked.append((one, other))
        return other.party.account != "refused"

    return database.trust(may, LIMITS)


def rows(database: Database) -> tuple[int, int, int]:
    with database.sql.read() as connection:
        return tuple(  # type: ignore[return-value]  # three of them
            connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (trusted_contacts, pairing_offers, pairing_tries)
        )


def told(database: Database) -> list[str]:
    with database.sql.read() as connection:
        found = connection.execute(select(audit.c.action, audit.c.target, audit.c.detail).order_by(audit.c.seq)).all()
    assert all(name not in target + detail for _, target, detail in found for name in ("kim", "lee", "p_"))
    return [action for action, _, _ in found]


def test_two_pair_by_a_code_however_it_is_typed_and_either_ends_it(
    database: Database, trust: SqlTrust, asked: list[tuple[PairingOffer, PairingOffer]]
) -> None:
    code = trust.offer(replace(offer("kim"), guardian_agreed=True), "key").code
    assert len(code.replace("-", "")) == 8
    paired = trust.accept(accept("lee", f" {code.lower().replace('-', ' ')} "), "key")
    assert (paired.state, paired.other) == (PairingState.PAIRED, "kim")
    assert asked == [(PairingOffer(party=party("kim"), guardian_agreed=True), offer("lee"))], "with what each said"
    assert [c.account for c in trust.contacts("kim")] == ["lee"] and [c.account for c in trust.contacts("lee")] == ["kim"]
    first, second = sorted(database.pseudonymiser("account", name) for name in ("kim", "lee"))
    assert database.standing.held([first, second], database.clock.now()).trusted == {(first, second)}
    assert trust.end(PairingEnd(account="kim", other="lee"), "key").ended
    assert trust.contacts("lee") == [] and not trust.end(PairingEnd(account="lee", other="kim"), "key").ended
    assert told(database) == ["trust.offer", "trust.pair", "trust.end"] and database.audit.verify().ok


def test_a_code_is_used_once_replaced_by_the_next_and_over_in_minutes(database: Database, trust: SqlTrust, clock: FixedClock) -> None:
    first = trust.offer(offer("kim"), "key").code
    code = trust.offer(offer("kim"), "key").code
    assert trust.accept(accept("lee", first), "key").state is PairingState.WRONG_CODE
    assert trust.accept(accept("lee", code), "key").state is PairingState.PAIRED
    assert trust.accept(accept("max", code), "key").state is PairingState.WRONG_CODE
    late = trust.offer(offer("kim"), "key")
    clock.advance(LIMITS.good_for)
    assert late.expires_at == clock.now() and trust.accept(accept("max", late.code), "key").state is PairingState.WRONG_CODE
    assert trust.expire(clock.now()) == 1 and trust.expire(clock.now()) == 0
    clock.advance(timedelta(days=1, seconds=1))
    assert trust.expire(clock.now()) > 1 and rows(database) == (1, 0, 0)


def test_who_is_refused_learns_nothing_by_trying_again(trust: SqlTrust, database: Database) -> None:
    code = trust.offer(offer("kim"), "key").code
    assert trust.accept(accept("refused", code), "key").state is PairingState.NOT_AVAILABLE
    assert trust.accept(accept("lee", code), "key").state is PairingState.WRONG_CODE, "the code is over"
    own = trust.offer(offer("kim"), "key").code
    assert trust.accept(accept("kim", own), "key").state is PairingState.NOT_AVAILABLE
    assert rows(database)[0] == 0


def test_wrong_codes_are_limited_and_slips_of_the_finger_are_free(trust: SqlTrust, clock: FixedClock) -> None:
    made = [trust.offer(offer(f"other{n}"), "key").code for n in range(LIMITS.tries + 1)]
    for slip in (*["7777-7777"] * 2 * LIMITS.tries, "", " ", "7", "x" * 64, "\x00", "ABCD-EFGH", "٣٣٣٣-٣٣٣٣"):
        assert trust.accept(accept("max", slip), "key").state is PairingState.WRONG_CODE
    assert trust.accept(accept("max", made[0]), "key").state is PairingState.PAIRED
    for code in made[1:]:
        trust.offer(offer(f"other{made.index(code)}"), "key")  # ends that code
        trust.accept(accept("lee", code), "key")
    good = trust.offer(offer("kim"), "key").code
    assert trust.accept(accept("lee", good), "key").state is PairingState.WAIT, "even the right one"
    clock.advance(LIMITS.tries_within + timedelta(seconds=1))
    good = trust.offer(offer("kim"), "key").code
    assert trust.accept(accept("lee", good), "key").state is PairingState.PAIRED


def test_codes_an_hour_are_limited(trust: SqlTrust, clock: FixedClock) -> None:
    for _ in range(LIMITS.offers):
        trust.offer(offer("kim"), "key")
    with pytest.raises(Busy):
        trust.offer(offer("kim"), "key")
    trust.offer(offer("lee"), "key")
    clock.advance(timedelta(hours=1, seconds=1))
    trust.offer(offer("kim"), "key")


def test_typed_twice_at_once_one_pairs(trust: SqlTrust, database: Database) -> None:
    code = trust.offer(offer("kim"), "key").code
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: trust.accept(accept(f"lee{n}", code), "key").state, range(4)))
    assert sorted(found) == sorted([PairingState.PAIRED, *[PairingState.WRONG_CODE] * 3])
    assert rows(database)[0] == 1


def test_nobody_has_trusted_contacts_without_end(trust: SqlTrust, database: Database) -> None:
    me = database.pseudonymiser("account", "kim")
    with database.sql.write() as connection:
        connection.execute(trusted_contacts.insert(), [{"first": f"a{n}", "second": me, "since": n} for n in range(MOST_CONTACTS)])
    code = trust.offer(offer("kim"), "key").code
    assert trust.accept(accept("lee", code), "key").state is PairingState.NOT_AVAILABLE


def test_with_a_person_their_trusted_contacts_go_and_meanwhile_they_are_exported(
    trust: SqlTrust, database: Database, clock: FixedClock
) -> None:
    trust.accept(accept("lee", trust.offer(offer("kim"), "key").code), "key")
    trust.offer(offer("lee"), "key")
    database.lifecycle.retention(clock.now())
    assert [c.account for c in trust.contacts("kim")] == ["lee"], "a name that a pair needs is no orphan"
    assert any(b'"trusted_contact"' in line for line in database.lifecycle.export("lee", "me"))
    assert database.lifecycle.erase("lee", "me").complete
    assert trust.contacts("kim") == [] and rows(database)[:2] == (0, 0)
