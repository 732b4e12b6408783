"""Whatever people write, are called or look at, from a message to a filed report, lies nowhere in clear: not in the database or its
WAL, the spool, the heads of the audit, nor in what is logged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.core.bank import Bank
from nightlight.core.case import Finding, NoteKind, SupportState
from nightlight.core.casefile import Email, Identity
from nightlight.core.desk import Judgement
from nightlight.core.document import Node
from nightlight.core.event import AgeBand, Party
from nightlight.core.report import ReportState
from nightlight.core.staff import Role, Staff
from nightlight.core.user_report import Item, ReportCategory, UserReportIn
from nightlight.core.vault import KnownIdentity

from .conftest import EXTORTION, message, upload
from .test_case_to_report import Sim, chores, configured, running, sim
from .test_pipeline import picture

__all__ = ["running", "sim"]

ANA, BEN, LEA = (Staff(id=id, role=role) for id, role in (("ana", Role.REVIEWER), ("ben", Role.REVIEWER), ("lea", Role.LEAD)))
CHILD, ADULT = "brisket-child", "vellum-adult"
SECRETS = {
    "chat": "zantlewick",
    "reported": "quorribund",
    "an item a reporter typed": "flumstrake",
    "note": "grebbelow",
    "hand-over": "drindlecap",
    "question": "ombertwist",
    "opinion": "yarrowmunt",
    "support": "kestlepod",
    "reason to read": "plindergast",
    "move": "wobbenfire",
    "verdict": "trissolant",
    "signature": "hemmerquill",
    "appeal": "oskerlund",
    "overturned": "vintersnab",
    "reveal": "jorvikkel",
    "edit": "mandrelope",
    "correction": "cobblefen",
    "name": "Aldermoss",
    "e-mail": "aldermoss@castle.example",
    "screen name": "nightmossy",
}


def words(key: str) -> str:
    return f"words {SECRETS[key]} words"


def say(graph: Nightlight, id: str, text: str, channel: str = "talk-1", target: str = CHILD) -> None:
    at = graph.clock.now().isoformat()
    parties = {
        "actor": {"account": ADULT, "age_band": "18+", "account_age_days": 3, "place": "GB"},
        "targets": [{"account": target, "age_band": "10-12", "assurance": "guardian", "place": "GB"}],
    }
    event = message(text, id=id, at=at, channel={"id": channel, "kind": "game"}, **parties)
    graph.events.submit(graph.events.decode(json.dumps(event).encode())).result(60)


def told(graph: Nightlight, id: str) -> None:
    about = (Party(account=ADULT, age_band=AgeBand.ADULT),)
    reporter = Party(account=CHILD, age_band=AgeBand.A10_12)
    items = (Item(event="m1"), Item(text=words("an item a reporter typed")))
    graph.user_reports.submit(
        UserReportIn(
            id=id, category=ReportCategory.OTHER, about=about, reporter=reporter, conversation="talk-1", text=words("reported"), items=items
        )
    )


def worked_on(graph: Nightlight, case: str) -> None:
    """All that people may write about a case before it is judged."""
    desk = graph.desk
    desk.lock(ANA, case)
    page = desk.open(ANA, case)
    desk.note(ANA, case, words("note"), NoteKind.NOTE)
    desk.support(ANA, case, page.children[0].account, SupportState.OFFERED, words("support"))
    asked = desk.ask_opinion(ANA, case, words("question"))
    desk.give_opinion(BEN, asked.id, Finding.CONFIRMED, words("opinion"))
    desk.move(ANA, case, "a-queue", words("move"))
    desk.release(ANA, case, words("hand-over"))
    other = [one for one in desk.open(ANA, case).elsewhere if one.subject.id.startswith("talk-2")]
    desk.read(ANA, case, "talk-2", words("reason to read")) if other else None


def filed(graph: Nightlight, case: str) -> None:
    """Judged, drafted, edited, sent, signed for, appealed against, corrected."""
    desk, reports = graph.desk, graph.services.reports
    assert reports is not None
    desk.lock(ANA, case)
    desk.verdict(ANA, case, Judgement(finding=Finding.CONFIRMED, reason=words("verdict")))
    for step in desk.waiting_steps(LEA):
        desk.approve(LEA, step.id, yes=True, reason=words("signature"))
    chores(graph)
    [drafted] = graph.reports.of_case(case)
    draft = reports.read(drafted.report.id, ANA.audit)
    assert SECRETS["name"] in str(draft.document), "who it is was asked for"
    last = draft.document.children[-1]
    assert last.name == "additionalInfo"
    edited = replace(draft.document, children=(*draft.document.children[:-1], Node("additionalInfo", f"{last.text} {words('edit')}")))
    changed = reports.edit(drafted.report.id, replace(draft, document=edited), ANA.audit, version=drafted.version)
    reports.submit(changed.report.id, ANA.audit)
    chores(graph)
    assert graph.reports.get(changed.report.id).report.state is ReportState.ACKNOWLEDGED
    made = graph.reports.correct(case, ANA.audit, words("correction"))
    assert made.corrects == changed.report.id
    graph.reports.retract(made.report.id, ANA.audit, "not needed after all")
    desk.appeal(LEA, case, words("appeal"))
    desk.lock(LEA, case)
    desk.verdict(LEA, case, Judgement(finding=Finding.NOT_CONFIRMED, reason=words("overturned")))
    chores(graph, 4)


def looked_at(graph: Nightlight, case: str, sha256: str) -> bytes:
    """A picture, shown once."""
    reveal = graph.services.reveal
    assert reveal is not None
    graph.desk.lock(ANA, case)
    shown = reveal.show(ANA, case, sha256, words("reveal"), blurred=True)
    reveal.seen(ANA, case, sha256, 2.0, blurred=True)
    return shown.png


def test_nothing_of_the_whole_way_lies_in_clear(
    tmp_path: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home, file = tmp_path / "home", picture()
    settings = configured(home, sim, monkeypatch)
    with bootstrap(home, settings=settings, start=True) as graph:
        name = Identity(first_name=SECRETS["name"], emails=(Email(address=SECRETS["e-mail"]),))
        graph.identities.put(ADULT, KnownIdentity(identity=name, screen_name=SECRETS["screen name"]), "cli:test")
        say(graph, "m0", words("chat"))
        for n, channel in enumerate(("talk-1", "talk-2"), start=1):
            say(graph, f"m{n}", EXTORTION, channel, CHILD if n == 1 else "osk-child")
        told(graph, "r1")
        graph.vault.promote()
        case = graph.database.cases.cases()[0].id
        worked_on(graph, case)
        filed(graph, case)

        graph.banks.create(Bank(name="own"), "cli")
        graph.banks.add_bytes("own", file, "cli")
        at = graph.clock.now().isoformat()
        envelope = upload(id="p1", at=at, actor={"account": "olm-adult", "age_band": "18+", "place": "GB"})
        graph.media.screen(msgspec.json.encode(envelope), file).result(60)
        graph.vault.promote()
        shown = looked_at(graph, graph.database.cases.cases()[0].id, hashlib.sha256(file).hexdigest())
        open_too = everything(home)  # with the WAL as a crash would leave it
        assert (home / "nightlight.db-wal").stat().st_size > 0
    logged = "".join(capfd.readouterr()).encode()
    for raw in (open_too, everything(home), logged):
        for what, secret in SECRETS.items():
            assert secret.encode() not in raw and secret.encode("utf-16-le") not in raw, what
        for secret in (EXTORTION, "gift card now", ADULT, CHILD, "<incidentSummary>", "personOrUserReported"):
            assert secret.encode() not in raw, secret
        assert file[64:128] not in raw and shown[64:128] not in raw


def everything(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())
