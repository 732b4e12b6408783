"""What a reviewer sees is what is sent, row by row, in their language, with each fault beside it; and what they change is changed alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.document import Node
from nightlight.core.errors import NotFound
from nightlight.reporting.cybertipline import check_document, write
from nightlight.reporting.cybertipline.labels import LABELS, label
from nightlight.reporting.cybertipline.order import ordered
from nightlight.reporting.cybertipline.schema import elements_below
from nightlight.reporting.cybertipline.table import FILE_DETAILS, REPORT
from nightlight.reporting.draft import draft
from nightlight.reporting.preview import may_add, rows
from nightlight.reporting.wording import blaming
from tests.reporting.cases import NOW, sextortion
from tests.reporting.documents import breakages, valid, whole

DOCUMENT = ordered(draft(sextortion(), NOW).document)


def test_every_element_and_attribute_has_its_label() -> None:
    below = [element for root in (REPORT, FILE_DETAILS) for _, element in elements_below(root)]
    names = {element.name for element in below} | {f"@{a.name}" for element in below for a in element.attributes}
    assert names == set(LABELS)
    for both in LABELS.values():
        assert all(both)
        assert not any(blaming(text) for text in both)
    assert label("victim", "es") == "Niño o niña"
    assert label("x-other") == "x-other"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_rows_are_the_whole_document_in_its_order(seed: int) -> None:
    document = valid(REPORT, seed)
    shown = rows(document)
    assert shown[0].path == "/report"
    assert len({row.path for row in shown}) == len(shown)
    for row in shown:
        node = document.at(row.path)
        assert node is not None
        assert (row.value is None and not node.text) or row.value == node.text
        assert row.depth == row.path.count("/") - 1
    assert sum(1 for _ in _all(document)) == len(shown)


def _all(node: Node) -> list[Node]:
    return [node, *(below for child in node.children for below in _all(child))]


def test_rows_say_what_may_be_written_where() -> None:
    shown = {row.path: row for row in rows(DOCUMENT)}
    kind = shown["/report/incidentSummary/incidentType"]
    assert kind.value in kind.choices
    assert kind.required
    assert shown["/report/incidentSummary/reportAnnotations/sextortion"].flag
    assert shown["/report/additionalInfo"].long
    assert shown["/report/additionalInfo"].most == 3000
    assert shown["/report/personOrUserReported/ipCaptureEvent[2]"].label == "IP address seen 2"
    spanish = {row.path: row for row in rows(DOCUMENT, language="es")}
    assert spanish["/report/victim/victimPerson/age"].label == "Edad"


def test_faults_stand_beside_what_they_are_about() -> None:
    wrong = DOCUMENT.with_text("/report/victim/victimPerson/age", "thirteen").with_text("/report/reporter/reportingPerson/email", None)
    faults = check_document(wrong, NOW)
    shown = {row.path: row for row in rows(wrong, faults, "es")}
    assert shown["/report/victim/victimPerson/age"].faults == ("Un valor no es un número.",)
    assert shown["/report/reporter/reportingPerson"].faults == ("Correo: Falta un elemento obligatorio.",)
    assert sum(len(row.faults) for row in shown.values()) == len(faults) == 2


def test_no_fault_is_lost_wherever_it_is() -> None:
    document = whole(FILE_DETAILS)
    for broken in breakages(FILE_DETAILS, document):
        if broken.code in ("unknown_element", "unknown_attribute", "namespace", "not_a_value", "not_empty"):
            continue  # such a document cannot be made by the editor
        faults = check_document(broken.document, NOW)
        shown = rows(broken.document, faults)
        assert sum(len(row.faults) for row in shown) == len(faults), broken


def test_a_value_is_changed_added_and_taken_away_alone() -> None:
    changed = DOCUMENT.with_text("/report/personOrUserReported/ipCaptureEvent[2]/ipAddress", "192.0.2.1")
    assert changed.at("/report/personOrUserReported/ipCaptureEvent[2]/ipAddress") == Node("ipAddress", "192.0.2.1")
    assert changed.at("/report/personOrUserReported/ipCaptureEvent[1]") == DOCUMENT.at("/report/personOrUserReported/ipCaptureEvent[1]")
    added = DOCUMENT.with_text("/report/personOrUserReported/vehicleDescription", "a blue van")
    assert check_document(ordered(added), NOW) == ()
    assert b"<vehicleDescription>a blue van</vehicleDescription>" in write(added)
    again = added.with_text("/report/personOrUserReported/displayName", "one").with_text(
        "/report/personOrUserReported/displayName[2]", "two"
    )
    assert [node.text for node in (again.first("personOrUserReported") or Node("x")).all("displayName")] == ["one", "two"]
    assert added.with_text("/report/personOrUserReported/vehicleDescription", None) == DOCUMENT
    assert DOCUMENT.with_text("/report/victim[1]", None).first("victim") is None


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "report", "/report", "/other/x", "/report/victim[2]/x", "/report/victim[0]", "/report/nothing/x", "/report//x"),
        *(
            "/report/victim[9]/espIdentifier",
            "/report/incidentSummary",
            "/report/@x",
            "/report/victim[1",
            "/report" * 50,
            "/report/displayName[3]",
        ),
    ],
)
def test_a_path_that_leads_nowhere_changes_nothing(path: str) -> None:
    with pytest.raises(NotFound):
        DOCUMENT.with_text(path, "x")


def test_what_may_be_added_is_what_the_format_still_takes() -> None:
    offered = [name for name, _ in may_add(DOCUMENT, "/report")]
    assert "victim" in offered
    assert "incidentSummary" not in offered
    assert "lawEnforcement" in offered
    assert may_add(DOCUMENT, "/report/internetDetails") == ()  # one kind is there
    assert may_add(DOCUMENT, "/report/additionalInfo") == ()
    assert may_add(DOCUMENT, "/nowhere") == ()
    assert ("schoolName", "Colegio") not in may_add(DOCUMENT, "/report/victim", "es")
    assert ("profileBio", "Texto del perfil") in may_add(DOCUMENT, "/report/victim", "es")
