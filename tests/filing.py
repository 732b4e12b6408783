"""What tests of reports share: a small document, a stand-in for the authority, and everything between the two."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nightlight.adapters.authorities.cybertipline import NAME, CyberTipline
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.app.filing import Attached, Filer
from nightlight.app.reports import FORMS
from nightlight.core.clock import Clock, SystemClock
from nightlight.core.document import Node
from nightlight.core.draft import Draft, DraftFile
from nightlight.core.filing import Authority, Filing, Patience, asked_again

QUICK = Patience(first=timedelta(0), most=timedelta(0), attempts=200, credentials=2)
"""Tries again at once; which is what a test, that has no hours, needs."""
HAPPENED = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)


def leaf(name: str, text: str) -> Node:
    return Node(name, text)


def node(name: str, *children: Node) -> Node:
    return Node(name, children=children)


def document(note: str = "") -> Node:
    """A report about text alone, with nothing in it but what is asked for."""
    summary = node(
        "incidentSummary",
        leaf("incidentType", "Online Enticement of Children for Sexual Acts"),
        leaf("incidentDateTime", HAPPENED.isoformat().replace("+00:00", "Z")),
    )
    reporter = node("reporter", node("reportingPerson", leaf("email", "safety@lanternfall.example")))
    person = node("personOrUserReported", leaf("espIdentifier", "player-77"), leaf("screenName", "Marlow"))
    more = (leaf("additionalInfo", note),) if note else ()
    return node("report", summary, reporter, person, *more)


def transcript(number: int) -> DraftFile:
    content = f"18:3{number} Marlow: keep this secret\n".encode()
    return DraftFile(
        name=f"transcript-{number}.txt",
        details=node("fileDetails", leaf("originalFileName", f"transcript-{number}.txt"), leaf("fileRelevance", "Reported")),
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        media_type="text/plain",
    )


def draft(case: str = "case_1", files: int = 1, note: str = "") -> Draft:
    return Draft(case=case, authority=NAME, made_at=HAPPENED, document=document(note), files=tuple(transcript(n) for n in range(files)))


def open_store(home: Path, clock: Clock | None = None, url: str | None = None) -> Database:
    return open_database(url, home, KeyFileSealer(home / "keys.json"), clock or SystemClock(), migrate=True)


def filer(database: Database, authority: Authority | None, patience: Patience = QUICK) -> Filer:
    return Filer(database.reports, {NAME: authority}.get, FORMS, Attached(), database.clock.now, patience)


def client(place: str, seconds: float = 60.0, password: str = "sim") -> CyberTipline:  # noqa: S107 - the stand-in's
    return CyberTipline(place, "sim", password, seconds=seconds)


def asked(database: Database, place: str, made: Draft | None = None) -> Filing:
    """A report that a person has submitted."""
    filing = database.reports.create(made or draft(), place, "reviewer:ana", about="p_1")
    return database.reports.change(filing.report.id, "reviewer:ana", "report.submit", lambda f: asked_again(f, database.clock.now()))


def until_ended(run: Filer, database: Database, id: str, most: int = 40) -> Filing:
    """As the background task would, round by round."""
    for _ in range(most):
        run.run_due()
        filing = database.reports.get(id)
        if not filing.in_motion:
            return filing
    raise AssertionError(f"still {filing.report.state}: {filing.trouble}")
