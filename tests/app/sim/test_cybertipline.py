"""The stand-in is at least as strict as what it stands for: asked with bare HTTP, as a careless client would."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from nightlight.adapters.authorities.codes import parsed
from nightlight.app.sim.cybertipline import Standin
from nightlight.app.sim.faults import Fault, FaultKind, Faults, multipart
from nightlight.app.sim.held import HeldState
from nightlight.core.clock import FixedClock
from nightlight.core.filing import Call
from nightlight.reporting import cybertipline
from tests.filing import HAPPENED, document, leaf, node

XML = "text/xml; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
GOOD = cybertipline.write(document())


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(HAPPENED + timedelta(hours=2))


@pytest.fixture
def sim(clock: FixedClock) -> Iterator[Standin]:
    with Standin(cybertipline.check, username="esp", password="pass:word", now=clock.now) as running:
        yield running


def ask(sim: Standin, path: str, body: bytes | None = None, kind: str = XML, auth: str | None = "esp:pass:word") -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    headers = {"content-type": kind} if body is not None else {}
    if auth is not None:
        headers["authorization"] = "Basic " + base64.b64encode(auth.encode()).decode()
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    out = answer.status, answer.read(), answer.headers
    connection.close()
    return out


def code(sim: Standin, call: str, body: bytes, kind: str = XML) -> int:
    root = parsed(ask(sim, f"/ispws/{call}", body, kind)[1])
    assert root is not None
    return int(root.findtext("responseCode") or "-1")


def said(answer: tuple[int, bytes, Any], name: str) -> str:
    root = parsed(answer[1])
    assert root is not None
    return root.findtext(name) or ""


def upload(sim: Standin, id: str, data: bytes = b"abc", field: str = "file") -> tuple[int, bytes, Any]:
    head = "--b\r\ncontent-disposition: form-data; name="
    part = f'{head}"id"\r\n\r\n{id}\r\n{head}"{field}"; filename="a.txt"\r\n\r\n'
    return ask(sim, "/ispws/upload", part.encode() + data + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")


def details(report: str, file: str) -> bytes:
    return cybertipline.write(cybertipline.with_ids(node("fileDetails", leaf("originalFileName", "a.txt")), report, file))


@pytest.mark.parametrize("auth", [None, "esp:wrong", "esp:", "esp:pass", ":pass:word", "ésp:pass:word"])
def test_nothing_is_shown_without_the_password(sim: Standin, auth: str | None) -> None:
    for path, body in (
        ("/ispws/status", None),
        ("/_sim/reports", None),
        ("/ispws/submit", GOOD),
        ("/_sim/faults", b"[]"),
        ("/_sim/clock", b"{}"),
    ):
        status, answer, headers = ask(sim, path, body, auth=auth)
        assert (status, answer) == (401, b"")
        assert headers["request-id"]
    assert sim.reports() == []


def test_the_whole_way_and_what_may_follow_it(sim: Standin) -> None:
    opened = ask(sim, "/ispws/submit", GOOD)
    id = said(opened, "reportId")
    assert (opened[0], said(opened, "responseCode")) == (200, "0")
    sent = upload(sim, id)
    assert said(sent, "hash") == "900150983cd24fb0d6963f7d28e17f72"
    assert code(sim, "finish", f"id={id}".encode(), FORM) == 4000, "the file is not described yet"
    assert code(sim, "fileinfo", details(id, said(sent, "fileId"))) == 0
    done = ask(sim, "/ispws/finish", f"id={id}".encode(), FORM)
    root = parsed(done[1])
    assert root is not None
    assert (root.tag, [f.text for f in root.findall("files/fileId")]) == ("reportDoneResponse", [said(sent, "fileId")])
    for call, body, kind in (
        ("finish", f"id={id}".encode(), FORM),
        ("retract", f"id={id}".encode(), FORM),
        ("fileinfo", details(id, "x"), XML),
    ):
        assert code(sim, call, body, kind) == 5102
    assert said(upload(sim, id), "responseCode") == "5102"
    rows = json.loads(ask(sim, "/_sim/reports")[1])
    assert [(r["id"], r["state"], r["files"][0]["described"]) for r in rows] == [(id, "finished", True)]
    assert ask(sim, f"/_sim/reports/{id}")[1] == GOOD


def test_the_order_is_kept(sim: Standin) -> None:
    id = said(ask(sim, "/ispws/submit", GOOD), "reportId")
    other = said(ask(sim, "/ispws/submit", GOOD), "reportId")
    foreign = said(upload(sim, other), "fileId")
    assert code(sim, "fileinfo", details(id, foreign)) == 5002
    assert code(sim, "fileinfo", details("5", foreign)) == 5001
    assert said(upload(sim, "5"), "responseCode") == "5001"
    assert code(sim, "retract", f"id={id}".encode(), FORM) == 0
    assert code(sim, "retract", f"id={id}".encode(), FORM) == 5101
    assert code(sim, "finish", f"id={id}".encode(), FORM) == 5101
    assert said(upload(sim, id), "responseCode") == "5101"


def test_an_unfinished_report_is_gone_a_day_after_it_opened_or_an_hour_after_its_last_change(sim: Standin, clock: FixedClock) -> None:
    idle, busy = (said(ask(sim, "/ispws/submit", GOOD), "reportId") for _ in range(2))
    clock.advance(timedelta(hours=23, minutes=30))
    file = said(upload(sim, busy), "fileId")
    assert ask(sim, "/_sim/clock", b'{"hours": 0.75}')[0] == 200
    assert code(sim, "finish", f"id={idle}".encode(), FORM) == 5001
    assert code(sim, "fileinfo", details(busy, file)) == 0
    clock.advance(timedelta(minutes=59))
    assert code(sim, "finish", f"id={busy}".encode(), FORM) == 0
    clock.advance(timedelta(days=400))
    assert [r.state for r in sim.reports()] == [HeldState.EXPIRED, HeldState.FINISHED]


@pytest.mark.parametrize(
    ("call", "body", "kind", "wanted"),
    [
        ("submit", b"", XML, 4110),
        ("submit", b"<report>", XML, 4110),
        ("submit", b"<!DOCTYPE report [<!ENTITY a 'b'>]>" + GOOD, XML, 4110),
        ("submit", GOOD.decode().encode("utf-16"), XML, 4110),
        ("submit", b"<report/>", XML, 4100),
        ("submit", b"<fileDetails/>", XML, 4100),
        ("submit", GOOD.replace(b"Online Enticement", b"Something"), XML, 4100),
        ("submit", GOOD, "text/xml", 4000),
        ("submit", GOOD, "application/json", 4000),
        ("fileinfo", GOOD, XML, 4100),
        ("fileinfo", b"<fileDetails/>", XML, 4100),
        ("finish", b"", FORM, 4000),
        ("finish", b"id=", FORM, 4000),
        ("finish", b"id=1&id=2", FORM, 4000),
        ("finish", b"id=1&more=2", FORM, 4000),
        ("finish", b"id=1", "text/plain", 4000),
        ("finish", b"id=1", FORM, 5001),
        ("retract", b"\xff\xfe=1", FORM, 4000),
        ("upload", b"id=1", FORM, 4000),
        ("upload", b"--b", "multipart/form-data; boundary=b", 4000),
        ("upload", b"--b\r\n\r\n\r\n--b--", "multipart/form-data; boundary=b", 4000),
    ],
)
def test_what_is_not_as_it_must_be_is_refused_and_opens_nothing(sim: Standin, call: str, body: bytes, kind: str, wanted: int) -> None:
    assert code(sim, call, body, kind) == wanted
    assert sim.reports() == []


def test_other_doors_and_odd_requests(sim: Standin) -> None:
    assert ask(sim, "/ispws/submit")[0] == 404
    assert ask(sim, "/ispws/unheard", b"")[0] == 404
    assert ask(sim, "/ispws/../_sim/reports")[0] == 404
    assert ask(sim, "/_sim/reports/9")[0] == 404
    assert said(upload(sim, said(ask(sim, "/ispws/submit", GOOD), "reportId"), b""), "responseCode") == "4200"
    assert said(upload(sim, "1", field="data"), "responseCode") == "4000"
    for body in (b"", b"[1]", b'{"hours": "x"}', b'{"hours": 1e300}', b'[{"kind": "unheard"}]', b'[{"kind":"cut","extra":1}]'):
        for path in ("/_sim/faults", "/_sim/clock"):
            assert ask(sim, path, body)[0] == 400
    for length in (b"-1", b"x", b"99999999999"):
        with socket.create_connection(("127.0.0.1", sim.port), 5) as raw:
            raw.sendall(b"POST /ispws/submit HTTP/1.1\r\nhost: x\r\ncontent-length: " + length + b"\r\n\r\n")
            assert raw.recv(65536).split(b" ")[1] in (b"411", b"413")
    assert ask(sim, "/ispws/status")[0] == 200


def test_faults_wait_for_their_call_and_are_used_up(sim: Standin) -> None:
    faults = Faults()
    faults.waiting += [Fault(kind=FaultKind.CUT, call=Call.FINISH, skip=1, times=2), Fault(kind=FaultKind.ERROR)]
    met = [faults.due(call) for call in (Call.FINISH, Call.SUBMIT, Call.FINISH, Call.FINISH, Call.FINISH)]
    assert [f.kind if f is not None else None for f in met] == [FaultKind.ERROR, None, FaultKind.CUT, FaultKind.CUT, None]
    assert ask(sim, "/_sim/faults", json.dumps([{"kind": "code", "code": 1100}]).encode())[0] == 200
    assert code(sim, "submit", GOOD) == 1100
    assert code(sim, "submit", GOOD) == 0
    assert len(sim.reports()) == 1


def test_a_form_in_parts_is_read_to_the_byte() -> None:
    data = bytes(range(256)) * 3 + b"\r\n--bb\r\n--\r\n\r\n"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + data + b"\r\n--b--\r\n"
    assert multipart("multipart/form-data; boundary=b", body) == {"file": ("x", data)}
    twice = b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\n1\r\n' * 2 + b"--b--"
    for kind, raw in (
        ("text/plain", body),
        ("multipart/form-data", body),
        ("multipart/form-data; boundary=b", twice),
        ("multipart/form-data; boundary=b", b""),
    ):
        assert multipart(kind, raw) is None
