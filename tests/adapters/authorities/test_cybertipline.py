"""The CyberTipline's client against answers of every kind, from real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from nightlight.adapters.authorities.codes import CODES, read
from nightlight.adapters.authorities.cybertipline import PLACES, CyberTipline, place_of, seconds_for
from nightlight.adapters.authorities.timed import MOST_BYTES, Got
from nightlight.app.sim.cybertipline import Standin
from nightlight.core.errors import Denied, Invalid, Unavailable
from nightlight.core.filing import Answer, Call, Outcome
from nightlight.reporting import cybertipline
from tests.filing import client, document

SECRET = "do-not-show-this"
Say = Callable[[socket.socket], None]


class Scripted:
    """Accepts connections, reads each request's head, and then does what it was told."""

    def __init__(self, say: Say) -> None:
        self._say, self.heads = say, list[bytes]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.place = f"http://127.0.0.1:{self._socket.getsockname()[1]}/ispws"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (got := connection.recv(65536)):
                    head += got
                self.heads.append(head)
                try:
                    self._say(connection)
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def scripted() -> Iterator[Callable[[Say], Scripted]]:
    made: list[Scripted] = []

    def make(say: Say) -> Scripted:
        made.append(Scripted(say))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(cybertipline.check) as running:
        yield running


def got(body: str, status: int = 200, **headers: str) -> Got:
    return Got(status, headers, body.encode())


def response(code: object, more: str = "", root: str = "reportResponse") -> str:
    return f"<{root}><responseCode>{code}</responseCode><responseDescription>words</responseDescription>{more}</{root}>"


# -- what answers mean ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("code", [c for c in CODES if c != 0])
def test_the_code_counts_whatever_the_status_of_http(code: int, status: int) -> None:
    answer = read(Call.SUBMIT, got(response(code), status))
    assert (answer.outcome, answer.code, answer.status) == (CODES[code][0], code, status)
    assert str(code) in answer.reason
    assert "words" not in answer.reason, "the authority's own words may quote the report"
    assert answer.detail == "words"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1999, Outcome.LATER),
        (2001, Outcome.CREDENTIALS),
        (3999, Outcome.CREDENTIALS),
        (4999, Outcome.DOCUMENT),
        (9000, Outcome.LATER),
        (-1, Outcome.LATER),
    ],
)
def test_an_unknown_code_goes_by_its_thousands(code: int, outcome: Outcome) -> None:
    assert read(Call.SUBMIT, got(response(code))).outcome is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Outcome.CREDENTIALS),
        (403, Outcome.CREDENTIALS),
        (302, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.LATER),
        (413, Outcome.FILE),
        (429, Outcome.LATER),
        (500, Outcome.LATER),
        (503, Outcome.LATER),
        (200, Outcome.LATER),
    ],
)
@pytest.mark.parametrize(
    "body", ["", "<html>", response(""), response("zero"), response("٣"), "<other><responseCode>0</responseCode></other>"]
)
def test_without_a_code_the_status_says_what_to_do_and_never_that_it_worked(status: int, outcome: Outcome, body: str) -> None:
    assert read(Call.FINISH, got(body, status)).outcome is outcome


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        (Call.SUBMIT, response(0), 200),
        (Call.SUBMIT, response(0, "<reportId></reportId>"), 200),
        (Call.SUBMIT, response(0, "<reportId>1 OR 2</reportId>"), 200),
        (Call.SUBMIT, response(0, f"<reportId>{'7' * 65}</reportId>"), 200),
        (Call.SUBMIT, response(0, "<reportId>77</reportId>"), 500),
        (Call.SUBMIT, response(0, "<reportId>77</reportId>", "reportDoneResponse"), 200),
        (Call.UPLOAD, response(0, "<reportId>77</reportId>"), 200),
        (Call.FINISH, response(0, "<reportId>77</reportId>"), 200),
        (Call.FINISH, response(0, "<files/>", "reportDoneResponse"), 200),
        (Call.FINISH, response(0, "<reportId>77</reportId><files><fileId>a b</fileId></files>", "reportDoneResponse"), 200),
        (Call.SUBMIT, "<!DOCTYPE a [<!ENTITY b '7'>]>" + response(0, "<reportId>&b;</reportId>"), 200),
        (Call.SUBMIT, response(0, "<reportId>77</reportId>")[:-4], 200),
    ],
)
def test_a_success_that_is_not_whole_is_none(call: Call, body: str, status: int) -> None:
    answer = read(call, got(body, status))
    assert answer.outcome is Outcome.LATER
    assert answer.report_id is None


def test_successes_are_read_with_and_without_a_namespace() -> None:
    submitted = read(Call.SUBMIT, got(response(0, "<reportId>77</reportId>"), **{"request-id": "r\n-1\x00"}))
    assert (submitted.outcome, submitted.report_id) == (Outcome.DONE, "77")
    assert submitted.request_id is not None
    assert submitted.request_id.isprintable()
    spaced = '<a:reportResponse xmlns:a="urn:x"><a:responseCode> 0 </a:responseCode><a:reportId>77</a:reportId></a:reportResponse>'
    assert read(Call.SUBMIT, got(spaced)).report_id == "77"
    done = response(0, "<reportId>77</reportId><files><fileId>a</fileId><fileId>b</fileId></files>", "reportDoneResponse")
    assert read(Call.FINISH, got(done)).files == ("a", "b")


def test_the_authority_may_say_how_long_to_wait() -> None:
    assert read(Call.SUBMIT, got("", 503, **{"retry-after": "120"})).retry_after_s == 120
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    assert 200 < (read(Call.SUBMIT, got("", 503, **{"retry-after": soon})).retry_after_s or 0) <= 300
    for said in ("soon", "-5", "9" * 400, "1e9", ""):
        assert (read(Call.SUBMIT, got("", 503, **{"retry-after": said})).retry_after_s or 0) <= 6 * 3600


# -- the wire ------------------------------------------------------------------------------------------------------------------------


def test_each_call_is_as_the_authority_takes_it(standin: Standin) -> None:
    here = client(standin.place)
    assert here.status().outcome is Outcome.DONE
    assert b"<xs:schema" in here.schema()
    opened = here.submit(cybertipline.write(document()))
    assert opened.outcome is Outcome.DONE
    assert opened.request_id is not None
    assert opened.request_id.startswith("sim-")
    id = opened.report_id or ""
    data = bytes(range(256)) * 300 + b"\r\n--" + b"\r\n\r\n"
    uploaded = here.upload(id, 'line "one"\r\n ñ.txt', data)
    assert uploaded.outcome is Outcome.DONE
    held = standin.reports()[0].files[uploaded.file_id or ""]
    assert held.size == len(data)
    assert here.finish(id).outcome is Outcome.REFUSED, "a file that nobody described"
    assert here.retract(id).outcome is Outcome.DONE
    assert here.retract(id).outcome is Outcome.RETRACTED
    assert here.retract("nothing").outcome is Outcome.GONE
    assert here.submit(b"<report>").outcome is Outcome.DOCUMENT
    assert here.submit(b"<report/>").outcome is Outcome.DOCUMENT


def test_wrong_credentials_are_told_as_such_and_shown_nowhere(standin: Standin) -> None:
    wrong = CyberTipline(standin.place, "sim", SECRET, seconds=60)
    for answer in (
        wrong.status(),
        wrong.submit(b"<a/>"),
        wrong.upload("1", "a", b"x"),
        wrong.fileinfo(b"<a/>"),
        wrong.finish("1"),
        wrong.retract("1"),
    ):
        assert answer.outcome is Outcome.CREDENTIALS
        assert SECRET not in repr(answer)
    with pytest.raises(Denied):
        wrong.schema()
    assert SECRET not in repr(wrong)


def test_nobody_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    here = client(f"http://127.0.0.1:{free}/ispws")
    assert here.finish("77").outcome is Outcome.LATER
    with pytest.raises(Unavailable):
        here.schema()


def _trickle(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n" * 40:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


ODD: dict[str, Say] = {
    "closes": lambda c: None,
    "half a head": lambda c: c.sendall(b"HTTP/1.1 200 O"),
    "no http": lambda c: c.sendall(b"hello\r\n\r\n"),
    "half a body": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n<reportResponse><responseCode>0</responseCode>"),
    "bad chunk": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    "bad length": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"),
    "packed": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b"),
    "trickle": _trickle,
    "endless": _endless,
    "silence": lambda c: time.sleep(1.0),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_answer_that_is_cut_odd_or_endless_means_that_nothing_is_known(kind: str, scripted: Callable[[Say], Scripted]) -> None:
    server = scripted(ODD[kind])
    answer = CyberTipline(server.place, "user", SECRET, seconds=0.4).finish("77")
    assert answer.outcome is Outcome.LATER, answer
    assert answer.reason
    assert SECRET not in repr(answer)
    assert len(server.heads) == 1, "nothing is sent a second time by itself"


def test_a_redirect_is_not_followed_and_a_proxy_not_used(scripted: Callable[[Say], Scripted], monkeypatch: pytest.MonkeyPatch) -> None:
    other = scripted(lambda c: None)
    moved = f"HTTP/1.1 307 Moved\r\nlocation: {other.place}/finish\r\ncontent-length: 0\r\n\r\n".encode()
    server = scripted(lambda c: c.sendall(moved))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.place)
    assert CyberTipline(server.place, "user", SECRET, seconds=60).finish("77").outcome is Outcome.REFUSED
    assert other.heads == []
    assert b"POST /ispws/finish" in server.heads[0]


def test_where_reports_may_go() -> None:
    assert place_of("production") == PLACES["production"]
    assert place_of("test") == PLACES["test"]
    assert place_of("http://127.0.0.1:8480/ispws/") == "http://127.0.0.1:8480/ispws"
    for bad in (
        "",
        "prod",
        "http://elsewhere.example/ispws",
        "ftp://127.0.0.1",
        "https://user:pass@host/x",
        "https://host/?a=b",
        "http://[::1",
        "https://h:99999",
    ):
        with pytest.raises(Invalid):
            place_of(bad)
    assert seconds_for(10**9) > 10_000
    assert MOST_BYTES < 10**8
    assert Answer(outcome=Outcome.DONE).reason == ""
