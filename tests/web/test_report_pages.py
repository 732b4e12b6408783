"""The pages of reports without a browser: who may what, and edits that must not pass."""

from __future__ import annotations

from litestar import Litestar

from nightlight.app.bootstrap import Nightlight
from nightlight.core.staff import Role, Staff
from tests.web.console import ConsoleClient
from tests.web.report_site import AUDITOR, REVIEWER, app, confirmed, secrets, site, standin

__all__ = ["app", "secrets", "site", "standin"]


def test_an_auditor_reads_and_changes_nothing(app: Litestar, site: tuple[Nightlight, str], secrets: dict[str, str]) -> None:
    graph = site[0]
    filing = graph.reports.draft(confirmed(graph, 0), "cli:test")
    id = filing.report.id
    auditor, reviewer = ConsoleClient(app, secrets[AUDITOR]), ConsoleClient(app, secrets[REVIEWER])
    seen = auditor.get(f"/console/reports/{id}")
    assert seen.status_code == 200
    assert f"/console/reports/{id}/edit" not in seen.text
    assert f"/console/reports/{id}/edit" in reviewer.get(f"/console/reports/{id}").text
    assert graph.database.audit.entries(most=10_000)[-1][1].action == "report.read"
    form = {"csrf": auditor.csrf(), "version": "1", "path": "/report/additionalInfo", "what": "set", "text": "x"}
    for path in ("edit", "submit", "redraft", "retract", "correct"):
        assert auditor.post(f"/console/reports/{id}/{path}", form | {"reason": "because"}).status_code == 403
    assert graph.reports.get(id).version == 1


def test_edits_that_would_lose_or_break_something_are_refused_on_the_page(
    app: Litestar, site: tuple[Nightlight, str], secrets: dict[str, str]
) -> None:
    graph = site[0]
    id = graph.reports.draft(confirmed(graph, 0), "cli:test").report.id
    client = ConsoleClient(app, secrets[REVIEWER])
    token, edit = client.csrf(), f"/console/reports/{id}/edit"
    good = {"csrf": token, "version": "1", "path": "/report/additionalInfo", "what": "set", "text": "Seen by a person."}
    for change, status in (
        ({"version": "0"}, 409),
        ({"version": "x"}, 400),
        ({"path": "/fileDetails/fileViewedByEsp"}, 404),
        ({"path": "/report"}, 404),
        ({"path": "/report/nothing/there"}, 404),
        ({"path": ""}, 404),
        ({"what": "else"}, 400),
        ({"what": "add", "path": "/report", "name": "fileDetails"}, 400),
        ({"what": "add", "path": "/report", "name": "incidentSummary"}, 400),
        ({"what": "remove", "path": "/report"}, 404),
    ):
        assert client.post(edit, good | change).status_code == status, change
    assert graph.reports.get(id).version == 1
    assert client.post(edit, good).status_code == 303
    assert client.post(edit, good).status_code == 409  # the page that was shown is not the report any more
    # What the authority would refuse is said at its row, and stops the sending.
    assert client.post(edit, good | {"version": "2", "path": "/report/incidentSummary/incidentType", "text": "Anything"}).status_code == 303
    assert "fault" in client.get(f"/console/reports/{id}").text
    assert client.post(f"/console/reports/{id}/submit", {"csrf": token, "version": "3", "confirmed": "1"}).status_code == 400
    assert client.post(f"/console/reports/{id}/redraft", {"csrf": token, "version": "3"}).status_code == 303
    # Added: a group, then what it holds.
    added = {"csrf": token, "version": "4", "what": "add", "path": "/report", "name": "victim"}
    assert client.post(edit, added).status_code == 303
    assert len(list(graph.reports.read(id, "cli:test").document.all("victim"))) >= 2
    assert client.post(f"/console/reports/{id}/submit", {"csrf": token, "version": "4", "confirmed": "1"}).status_code == 409
    graph.reports.retract(id, "cli:test", "only a test of edits")


def test_nothing_goes_out_that_nobody_approved(app: Litestar, site: tuple[Nightlight, str], secrets: dict[str, str]) -> None:
    graph = site[0]
    case = graph.desk.queue(Staff(id=REVIEWER, role=Role.REVIEWER)).cases[0].id
    client = ConsoleClient(app, secrets[REVIEWER])
    token = client.csrf()
    made = client.post(f"/console/cases/{case}/reports", {"csrf": token})
    assert made.status_code == 303
    to = made.headers["location"]
    assert f"{to}/submit" not in client.get(to).text
    client.post(f"{to}/submit", {"csrf": token, "version": "1", "confirmed": "1"})
    assert graph.reports.get(to.rsplit("/", 1)[1]).report.state.value == "draft"
    assert not graph.reports.get(to.rsplit("/", 1)[1]).in_motion
