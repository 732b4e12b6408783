"""What authorities ask for: nothing that is preserved goes, and nothing is told by one person alone."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from nightlight.adapters.store import Database
from nightlight.adapters.store.ledger import CASES
from nightlight.adapters.vault import SqlIdentities
from nightlight.core.casefile import Identity
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound
from nightlight.core.requests import Disclosed, EmergencyState, PreservationState
from nightlight.core.vault import KnownIdentity

from .vaulting import end, filled, talk
from .works import START, Writer

ASKED = {"authority": "Harbour County Sheriff", "reference": "HC-2025-17"}
LATER = START + timedelta(days=4000)


def test_a_preserved_case_is_destroyed_by_no_clock_and_no_person(database: Database, clock: FixedClock) -> None:
    vault, case = filled(database)
    end(database, case)
    asked = database.requests.preserve("cli:ana", case=case, days=90, law="18 USC 2703(f)", **ASKED)
    assert [p.id for p in database.requests.preserved(case)] == [asked.id]
    clock.advance((START + timedelta(days=89)) - clock.now())
    with pytest.raises(Conflict, match=asked.id):
        vault.destroy(case, "cli:ana", "no longer needed")
    renewed = database.requests.renew(asked.id, "cli:ben", reference="HC-2025-17/2", days=366)
    assert renewed.until == clock.now() + timedelta(days=366) and renewed.renewals[0].by == "cli:ben"
    clock.advance((START + timedelta(days=400)) - clock.now())  # past the vault's own clocks
    assert database.lifecycle.retention(clock.now()).get("vault_destroyed") is None
    assert vault.holding(case).items
    clock.advance((START + timedelta(days=456)) - clock.now())
    done = database.lifecycle.retention(clock.now())
    assert done["preservations_expired"] == 1 and done["vault_destroyed"] == 1
    ended = database.requests.preservation(asked.id)
    assert ended.state is PreservationState.EXPIRED and ended.ended_by == "system"
    with pytest.raises(Conflict, match="destroyed"):
        database.requests.renew(asked.id, "cli:ben", reference="HC-2025-17/3")
    told = [e.action for _, e in database.audit.entries(CASES, most=1000) if e.action.startswith("preservation")]
    assert told == ["preservation.begin", "preservation.renew", "preservation.expire"]
    assert database.audit.verify().ok


def test_a_preserved_account_keeps_its_events_cases_and_identity(database: Database, writer: Writer, clock: FixedClock) -> None:
    database.pipeline.commit(writer.chat("said"))
    database.pipeline.commit(writer.chat("elsewhere", actor="osk", target="lume", channel="other"))
    identities = SqlIdentities(database)
    identities.put("vell", KnownIdentity(identity=Identity(first_name="Vee")), "service")
    asked = database.requests.preserve("cli:ana", account="vell", days=366, **ASKED)
    assert asked.account == writer.name("vell")
    case = talk(database)  # opened later: about the account, so it is preserved too
    database.vault.promote()
    end(database, case)
    clock.advance((START + timedelta(days=365)) - clock.now())
    with pytest.raises(Conflict, match=asked.id):
        database.vault.destroy(case, "cli:ana", "no longer needed")
    done = database.lifecycle.retention(clock.now())
    assert done["events"] == 1 and database.pipeline.event("elsewhere") is None
    assert database.pipeline.event("said") is not None
    with pytest.raises(Conflict, match="preserve"):
        identities.remove("vell", "service")
    erased = database.lifecycle.erase("vell", "cli:ana")
    assert not erased.complete and "preservation" in {k.what for k in erased.kept}
    assert database.pipeline.event("said") is not None
    database.requests.release(asked.id, "cli:lea", "the authority withdrew it")
    assert identities.remove("vell", "service")
    clock.advance((LATER) - clock.now())
    database.lifecycle.retention(clock.now())
    assert database.pipeline.event("said") is None
    assert "cases" not in {k.what for k in database.lifecycle.erase("vell", "cli:ana").kept}


def test_a_request_told_twice_or_at_once_is_one(database: Database) -> None:
    case = talk(database)
    made: list[str] = []
    ask = lambda: made.append(database.requests.preserve("cli:ana", case=case, **ASKED).id)  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4 and len(set(made)) == 1
    assert len(database.requests.preservations(PreservationState.ACTIVE)) == 1


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_is_no_request_is_refused_by_its_field(database: Database) -> None:
    case, ask = talk(database), database.requests.preserve
    for field, given in (
        ("authority", {"authority": ""}),
        ("authority", {"authority": "two\nlines"}),
        ("reference", {"reference": "x" * 201}),
        ("days", {"days": 0}),
        ("days", {"days": 367}),
        ("days", {"days": True}),
        ("days", {"days": "90"}),
        ("note", {"note": "y" * 4001}),
        ("case", {"account": "vell"}),
        ("case", {"case": None}),
    ):
        with pytest.raises(Invalid) as caught:
            ask("cli:ana", **{"case": case, **ASKED, **given})  # type: ignore[arg-type]
        assert caught.value.field == field
    with pytest.raises(NotFound):
        ask("cli:ana", case="case_none", **ASKED)
    with pytest.raises(NotFound):
        database.requests.release("preservation_none", "cli:ana", "why")
    assert database.requests.preservations() == []


def test_an_emergency_takes_two_people_and_says_what_was_told_to_whom(database: Database, clock: FixedClock) -> None:
    case, desk = talk(database), database.requests
    asked = desk.emergency("reviewer:ana", case=case, contact="Officer Tamm, +1 555 0100", danger="a child may meet him tonight", **ASKED)
    assert [p.case for p in desk.preserved(case)] == [case], "what may be told must not go meanwhile"
    with pytest.raises(Conflict, match="waiting"):
        desk.disclosed(asked.id, "lead:lea", to="Officer Tamm", kinds=[Disclosed.IDENTITY], what="name and address")
    for same in ("reviewer:ana", "cli:ana"):
        with pytest.raises(Denied):
            desk.decide(asked.id, same, approve=True, why="called back")
    assert desk.undecided() == [asked.due_at] == [clock.now() + timedelta(hours=1)]
    assert desk.decide(asked.id, "lead:lea", approve=True, why="called back").state is EmergencyState.APPROVED
    assert desk.undecided() == []
    with pytest.raises(Conflict):
        desk.decide(asked.id, "lead:luis", approve=False, why="changed my mind")
    with pytest.raises(Invalid) as caught:
        desk.disclosed(asked.id, "lead:lea", to="Officer Tamm", kinds=["gossip"], what="x")  # type: ignore[list-item]
    assert caught.value.field == "kinds"
    told = desk.disclosed(asked.id, "lead:lea", to="Officer Tamm", kinds=[Disclosed.IDENTITY], what="name and address")
    assert told.state is EmergencyState.DISCLOSED and desk.get_emergency(asked.id, "cli:kim") == told
    assert desk.emergencies("cli:kim", EmergencyState.DISCLOSED) == [told]
    entries = [e for _, e in database.audit.entries(CASES, most=1000) if e.action.startswith("emergency")]
    assert [e.action for e in entries] == ["emergency.ask", "emergency.decide", "emergency.disclose", "emergency.read", "emergency.list"]
    assert not any("tonight" in str(e.detail) or "address" in str(e.detail) for e in entries)


def test_a_refused_emergency_lets_nothing_be_told(database: Database) -> None:
    desk = database.requests
    asked = desk.emergency("reviewer:ana", account="vell", contact="no number", danger="says so", **ASKED)
    desk.decide(asked.id, "lead:lea", approve=False, why="nobody answers at the number of the police")
    with pytest.raises(Conflict, match="refused"):
        desk.disclosed(asked.id, "lead:lea", to="x", kinds=[Disclosed.OTHER], what="x")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_requests_go_three_years_after_they_ended_and_never_before(database: Database, clock: FixedClock) -> None:
    desk = database.requests
    ended = desk.preserve("cli:ana", account="vell", days=1, **ASKED)
    refused = desk.emergency("reviewer:ana", account="osk", contact="x", danger="x", **ASKED)
    waits = desk.emergency("reviewer:ana", account="lume", contact="x", danger="x", **ASKED)
    desk.decide(refused.id, "lead:lea", approve=False, why="nobody answers there")
    clock.advance(timedelta(days=2))
    database.lifecycle.retention(clock.now())
    clock.advance(timedelta(days=1092))
    done = database.lifecycle.retention(clock.now())
    assert "preservations" not in done and "emergencies" not in done
    clock.advance(timedelta(days=4))
    database.lifecycle.retention(clock.now())
    assert ended.id not in {p.id for p in desk.preservations()}
    assert [e.id for e in desk.emergencies("cli:kim")] == [waits.id], "nobody has decided it"
    assert database.audit.verify().ok
