"""A flood of matches of one banked item, through the whole service: it is paused, a person is called, and no account answers for it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from nightlight.adapters.store.tables import cases, facts, limits, signals
from nightlight.app.bootstrap import Nightlight
from nightlight.core.bank import Bank, BankKind
from nightlight.core.decision import BlockContent, HoldContent
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.services import Answer
from nightlight.core.signal import Subject, SubjectKind
from nightlight.detectors.known_media.states import FLOOD_ACCOUNTS, FLOOD_MATCHES
from tests.app.conftest import ADULT, NOW
from tests.app.conftest import upload as wire_of
from tests.app.test_pipeline import picture as png


def sha256(n: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.SHA256, f"{n:064x}")


@pytest.fixture
def graph(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> Nightlight:
    """The second hop runs where the test says, and not by itself beside it."""
    monkeypatch.setattr(graph.engine, "_second_hop", lambda: 0)
    return graph


def share(graph: Nightlight, account: str, picture: int, n: int) -> Answer:
    wire = wire_of(
        kind="media",
        id=f"{account}-{picture}-{n}",
        at=(NOW + timedelta(seconds=n)).isoformat(),
        actor={**ADULT, "account": account},
        channel={"id": f"room-{account}", "kind": "game"},
        fingerprints=[msgspec.to_builtins(sha256(picture))],
    )
    return graph.events.submit(graph.events.decode(msgspec.json.encode(wire))).result(20)


def settled(graph: Nightlight) -> None:
    """Until every fact is folded, those that folding made too."""
    while graph.second_hop.run():
        pass


def banked(graph: Nightlight, kind: BankKind = BankKind.OWN) -> dict[int, str]:
    graph.banks.create(Bank(name="own", kind=kind), "test")
    return {n: graph.banks.add("own", [sha256(n)], "test").id for n in (1, 2, 3)}


def score_of(graph: Nightlight, account: str) -> float:
    """Of the account over all conversations, as it stands."""
    subject = Subject(SubjectKind.ACCOUNT, graph.pseudonymiser("account", account))
    found = graph.database.pipeline.assessments([subject])
    return max((a.score for a in found.values()), default=0.0)


@pytest.fixture
def paused(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What is paused, beside being paused."""
    calls: list[tuple[str, str, str]] = []
    real = graph.second_hop._floods._pause

    def pause(bank: str, item: str, by: str) -> Any:
        calls.append((bank, item, by))
        return real(bank, item, by)

    monkeypatch.setattr(graph.second_hop._floods, "_pause", pause)
    return calls


def test_a_flood_pauses_the_item_calls_a_person_and_takes_back_what_it_did_to_accounts(
    graph: Nightlight, paused: list[tuple[str, str, str]]
) -> None:
    items = banked(graph)
    for n, account in ((1, "many"), (2, "many"), (3, "many"), (2, "few"), (3, "few")):
        share(graph, account, n, 0)
    settled(graph)
    assert round(score_of(graph, "many"), 3) == 0.75 and round(score_of(graph, "few"), 3) == 0.6
    before = [share(graph, f"p{n % 30}", 1, n) for n in range(FLOOD_MATCHES - 2)]
    settled(graph)
    assert paused == [] and isinstance(before[-1].decision.actions[0], BlockContent)
    share(graph, "last", 1, 60)
    settled(graph)
    assert paused == [("own", items[1], "system")]
    case = next(c for c in graph.database.cases.cases() if c.subject == Subject(SubjectKind.MEDIA, f"own/{items[1]}"))
    assert (case.queue, case.priority) == ("media", 0)
    assert any("a flood" in reason for reason in case.reasons)
    # Two of the three pictures still count against the one; nothing that the flood did counts against anybody.
    assert round(score_of(graph, "many"), 3) == 0.6 and round(score_of(graph, "few"), 3) == 0.6
    with graph.database.sql.read() as connection:
        taken = connection.execute(select(facts.c.key_id).where(facts.c.other == f"own/{items[1]}", facts.c.key_kind == "account")).all()
        assert connection.execute(select(limits)).all() == []
    assert len({row.key_id for row in taken}) == 32
    # From then on uploads are held, and no account hears of it, until a person resumes the item.
    settled(graph)
    after = share(graph, "later", 1, 70)
    settled(graph)
    assert isinstance(after.decision.actions[0], HoldContent)
    with graph.database.sql.read() as connection:
        later = graph.pseudonymiser("account", "later")
        assert connection.execute(select(facts).where(facts.c.key_id == later, facts.c.other.like("own/%"))).all() == []
    graph.banks.resume("own", items[1], "test", "looked at: what the list says")
    assert isinstance(share(graph, "later", 1, 80).decision.actions[0], BlockContent)
    settled(graph)
    assert len(paused) == 1, "what came before is no flood now"


def test_an_item_that_a_person_resumed_before_it_was_met_again_stays_resumed(graph: Nightlight, paused: list[tuple[str, str, str]]) -> None:
    items = banked(graph)
    for n in range(FLOOD_MATCHES):
        share(graph, f"p{n}", 1, n)
    settled(graph)
    assert graph.banks.item("own", items[1]).paused_at is not None
    graph.banks.resume("own", items[1], "test", "looked at: what the list says")
    for n in range(FLOOD_MATCHES - 1):
        assert isinstance(share(graph, f"q{n}", 1, FLOOD_MATCHES + n).decision.actions[0], BlockContent)
    settled(graph)
    assert graph.banks.item("own", items[1]).paused_at is None
    share(graph, "one more", 1, 3 * FLOOD_MATCHES)
    settled(graph)
    assert graph.banks.item("own", items[1]).paused_at is not None, "a flood of its own"
    assert len(paused) == 2


def test_some_few_who_share_it_often_are_no_flood(graph: Nightlight, paused: list[tuple[str, str, str]]) -> None:
    banked(graph)
    for n in range(2 * FLOOD_MATCHES):
        share(graph, f"p{n % (FLOOD_ACCOUNTS - 1)}", 1, n)
    settled(graph)
    assert paused == []


def test_a_flood_of_something_that_nobody_reviewed_is_urgent_too(graph: Nightlight, paused: list[tuple[str, str, str]]) -> None:
    items = banked(graph, BankKind.QUARANTINE)
    for n in range(FLOOD_MATCHES):
        assert isinstance(share(graph, f"p{n}", 1, n).decision.actions[0], HoldContent)
    settled(graph)
    assert paused == [("own", items[1], "system")]
    assert next(iter(graph.database.cases.cases())).priority == 0


def test_what_a_crash_or_a_broken_bank_left_undone_is_done_at_the_next_match(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    items = banked(graph)
    done: list[str] = []

    def broken(bank: str, item: str, by: str) -> None:
        done.append("broken")
        raise OSError("the database is away")

    monkeypatch.setattr(graph.second_hop._floods, "_pause", broken)
    for n in range(FLOOD_MATCHES):
        share(graph, f"p{n}", 1, n)
    settled(graph)
    assert done == ["broken"], "and the second hop went on"
    monkeypatch.setattr(graph.second_hop._floods, "_pause", lambda bank, item, by: done.append(item))
    share(graph, "next", 1, 60)
    settled(graph)
    assert done == ["broken", items[1]]


def test_a_flood_that_is_folded_at_once_gives_no_account_a_score_in_between(graph: Nightlight) -> None:
    """All in one transaction of the second hop: who shared two other listed pictures before is no worse for a third that floods."""
    items = banked(graph)
    for n in range(FLOOD_MATCHES):
        share(graph, f"p{n}", 1, n)
    for picture in (2, 3):
        share(graph, "late", picture, 60)
    share(graph, "late", 1, 61)
    settled(graph)
    assert round(score_of(graph, "late"), 3) == 0.6
    with graph.database.sql.read() as connection:
        bodies = connection.execute(select(signals.c.score).where(signals.c.subject_id == graph.pseudonymiser("account", "late"))).all()
    assert max(row.score for row in bodies) == 0.6, "not even for a moment"
    assert items


def test_a_case_that_the_second_hop_opens_has_the_pictures_bytes(graph: Nightlight, paused: list[tuple[str, str, str]]) -> None:
    data = png()
    digest = hashlib.sha256(data).hexdigest()
    graph.banks.create(Bank(name="own"), "test")
    item = graph.banks.add("own", [Fingerprint(FingerprintKind.SHA256, digest)], "test")
    for n in range(FLOOD_MATCHES - 1):
        share(graph, f"p{n}", int(digest, 16), n)
    settled(graph)
    assert paused == []
    with graph.database.sql.write() as connection:  # people finished what the uploads themselves opened
        connection.execute(cases.update().values(state="declined", merges_by=None))
    spool = graph.home / "spool"
    graph.media.screen(msgspec.json.encode(wire_of(id="last", at=(NOW + timedelta(seconds=60)).isoformat())), data).result(60)
    (waits,) = spool.glob("*.later")
    assert data not in waits.read_bytes() and waits.stat().st_mode & 0o077 == 0
    assert graph.media.settle() == 0, "nobody knows yet whether a case opens"
    settled(graph)
    case = next(c for c in graph.database.cases.cases() if c.subject == Subject(SubjectKind.MEDIA, f"own/{item.id}"))
    assert "last" in case.events and paused
    assert graph.media.settle() == 1 and list(spool.glob("*.later")) == []
    kept = graph.vault.find(case.id, digest)
    assert kept is not None and kept.event == "last" and kept.media_type == "image/png"
    assert graph.media.settle() == 0
