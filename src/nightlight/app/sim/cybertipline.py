"""`nightlight sim cybertipline`: a strict stand-in for the CyberTipline's reporting API, as a real HTTP server on this machine.

    GET  /ispws/status, /ispws/xsd
    POST /ispws/submit, /ispws/upload, /ispws/fileinfo, /ispws/finish, /ispws/retract
    GET  /_sim/reports               what it holds, as JSON without content
    GET  /_sim/reports/ID            one report's document, as it was submitted
    POST /_sim/faults                a JSON list of faults to make from now on: see `faults.Fault`
    POST /_sim/clock                 {"hours": 25}: its own clock goes on by so much

All of it needs the user name and password that it was started with.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

import msgspec
from msgspec.structs import replace

from nightlight.app.sim.faults import Fault, FaultKind, Faults, multipart
from nightlight.app.sim.held import Check, Held, HeldReport, HeldState, Reply
from nightlight.core.filing import Call

MOST_BYTES = 512 * 1024 * 1024
"""Of a request: its body is held in memory."""
Hook = Callable[[str, Call], None]
_XML = "text/xml; charset=utf-8"
_SCHEMA = b"""<?xml version="1.0" encoding="UTF-8"?>
<!-- The stand-in's own: the authority's schema is not public. It checks documents by Nightlight's rules instead. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
  <xs:element name="report" type="xs:anyType"/>
  <xs:element name="fileDetails" type="xs:anyType"/>
</xs:schema>
"""
_LOST = frozenset({FaultKind.CUT_AFTER, FaultKind.TIMEOUT_AFTER})


class _Cut(Exception):
    """The connection ends here."""


class Standin:
    """The server. Use it as a context manager, or `start` and `stop`."""

    def __init__(
        self,
        check: Check,
        *,
        username: str = "sim",
        password: str = "sim",  # noqa: S107 - a stand-in's, on loopback
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Sequence[Fault] = (),
        now: Callable[[], datetime] | None = None,
        hook: Hook | None = None,
    ) -> None:
        """check: what the authority would refuse of a document. now: the stand-in's clock. hook: told of each call `before` it is looked
        at and `after` it took effect, for tests that end their client just then."""
        self._clock = now or (lambda: datetime.now(UTC))
        self.ahead = timedelta()
        self.held = Held(check, self.now)
        self.faults = Faults()
        self.faults.waiting.extend(faults)
        self.hook = hook
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.numbers = itertools.count(1)
        self.expected = b"Basic " + base64.b64encode(f"{username}:{password}".encode())
        self.calls: list[tuple[Call, int | None]] = []
        """Every call that was looked at, and the code it was answered with; None: it was not."""
        self._server = _Server((host, port), _Handler)
        self._server.standin = self
        self._thread: threading.Thread | None = None

    def now(self) -> datetime:
        return self._clock() + self.ahead

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def place(self) -> str:
        """What a client is given."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/ispws"

    def reports(self, *states: HeldState) -> list[HeldReport]:
        with self.lock:
            self.held.expire()
            return [r for r in self.held.reports.values() if not states or r.state in states]

    def inject(self, *faults: Fault) -> None:
        with self.lock:
            self.faults.waiting.extend(faults)

    def start(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sim-cybertipline", daemon=True)
        self._thread.start()
        return self

    def serve(self) -> None:
        """Until `stop`, in this thread."""
        self._server.serve_forever()

    def stop(self) -> None:
        self.over.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    standin: Standin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what the stand-in is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nightlight-sim"
    sys_version = ""
    server: _Server
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request's words may quote a report."""

    # -- requests ------------------------------------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_POST(self) -> None:
        self._guarded(self._post)

    def _guarded(self, answer: Callable[[bytes], None]) -> None:
        body = self._body()
        if body is None:
            return
        if not hmac.compare_digest(self.headers.get("authorization", "").encode("latin-1", "replace"), self.server.standin.expected):
            self._send(401, b"", challenge=True)
            return
        try:
            answer(body)
        except _Cut:
            self._cut()

    def _body(self) -> bytes | None:
        said = self.headers.get("content-length", "0" if self.command == "GET" else "")
        if not said.isascii() or not said.isdigit() or int(said) > MOST_BYTES:
            self.close_connection = True
            self._send(413 if said.isdigit() else 411, b"")
            return None
        body = self.rfile.read(int(said))
        if len(body) != int(said):
            self.close_connection = True
            return None
        return body

    def _get(self, body: bytes) -> None:
        standin = self.server.standin
        if self.path == "/ispws/status":
            self._reply(Reply(code=0, words="Remote server status is OK"))
        elif self.path == "/ispws/xsd":
            self._send(200, _SCHEMA)
        elif self.path == "/_sim/reports":
            rows = [_row(r) for r in standin.reports()]
            self._send(200, msgspec.json.encode(rows), kind="application/json")
        elif self.path.startswith("/_sim/reports/") and (found := standin.held.reports.get(self.path.rpartition("/")[2])) is not None:
            self._send(200, found.document)
        else:
            self._reply(Reply(code=1210, words="There is nothing here", status=404))

    def _post(self, body: bytes) -> None:
        if self.path in ("/_sim/faults", "/_sim/clock"):
            self._control(body)
            return
        try:
            call = Call(self.path.removeprefix("/ispws/")) if self.path.startswith("/ispws/") else None
        except ValueError:
            call = None
        if call is None:
            self._reply(Reply(code=1210, words="There is nothing here", status=404))
            return
        self._played(call, body)

    def _control(self, body: bytes) -> None:
        standin = self.server.standin
        try:
            if self.path == "/_sim/faults":
                standin.inject(*msgspec.json.decode(body, type=list[Fault]))
            else:
                standin.ahead += timedelta(hours=msgspec.json.decode(body, type=dict[str, float])["hours"])
        except (msgspec.DecodeError, KeyError, OverflowError):
            self._send(400, b'{"error":"not what this takes"}', kind="application/json")
            return
        self._send(200, b"{}", kind="application/json")

    # -- a call, with its fault ----------------------------------------------------------------------------------------------------

    def _played(self, call: Call, body: bytes) -> None:
        standin = self.server.standin
        with standin.lock:
            fault = standin.faults.due(call)
        if standin.hook is not None:
            standin.hook("before", call)
        if fault is not None and self._instead(call, fault):
            return
        with standin.lock:
            if fault is not None and fault.kind is FaultKind.EXPIRE:
                for held in standin.held.reports.values():
                    held.state = HeldState.EXPIRED if held.state is HeldState.OPEN else held.state
            standin.held.expire()
            reply = self._done(call, body)
            standin.calls.append((call, reply.code))
        if standin.hook is not None:
            standin.hook("after", call)
        if fault is None or fault.kind is FaultKind.EXPIRE:
            self._reply(reply)
        else:
            self._spoilt(reply, fault)

    def _instead(self, call: Call, fault: Fault) -> bool:
        """Whether the fault is all that happens."""
        standin, kind = self.server.standin, fault.kind
        if kind not in (FaultKind.CUT, FaultKind.TIMEOUT, FaultKind.ERROR, FaultKind.UNAUTHORISED, FaultKind.CODE):
            return False
        with standin.lock:
            standin.calls.append((call, None))
        if kind is FaultKind.TIMEOUT:
            standin.over.wait(fault.seconds)
        if kind in (FaultKind.CUT, FaultKind.TIMEOUT):
            raise _Cut
        if kind is FaultKind.ERROR:
            self._send(500, b"<html>Internal Server Error</html>", kind="text/html")
        elif kind is FaultKind.UNAUTHORISED:
            self._send(401, b"")
        else:
            self._reply(Reply(code=fault.code, words="A fault that was asked for"))
        return True

    def _spoilt(self, reply: Reply, fault: Fault) -> None:
        """The call took effect; what becomes of its answer."""
        kind = fault.kind
        if kind is FaultKind.TIMEOUT_AFTER:
            self.server.standin.over.wait(fault.seconds)
        if kind in _LOST:
            raise _Cut
        if kind is FaultKind.ERROR_AFTER:
            self._send(500, b"<html>Internal Server Error</html>", kind="text/html")
        elif kind is FaultKind.GARBAGE:
            self._send(200, b"<html><body>Please wait<br>", kind="text/html")
        elif kind is FaultKind.MD5:
            self._reply(replace(reply, md5="0" * 32))
        elif kind is FaultKind.OTHER:
            self._reply(replace(reply, report="999"))
        else:
            self._send(reply.status, reply.xml(), cut=kind is FaultKind.CUT_MIDWAY, slow=fault.seconds if kind is FaultKind.SLOW else 0)

    def _done(self, call: Call, body: bytes) -> Reply:
        held, kind = self.server.standin.held, self.headers.get("content-type", "")
        if call in (Call.SUBMIT, Call.FILEINFO):
            if kind.replace(" ", "").lower() != _XML.replace(" ", ""):
                return Reply(code=4000, words=f"The content type must be {_XML}", status=400)
            return held.submit(body) if call is Call.SUBMIT else held.fileinfo(body)
        if call is Call.UPLOAD:
            parts = multipart(kind, body)
            if parts is None or set(parts) != {"id", "file"} or parts["file"][0] is None:
                return Reply(code=4000, words="The form must have the parts `id` and `file`", status=400)
            return held.upload(parts["id"][1].decode("utf-8", "replace"), parts["file"][0], parts["file"][1])
        form = parse_qs(body.decode("utf-8", "replace")) if kind.startswith("application/x-www-form-urlencoded") else {}
        if set(form) != {"id"} or len(form["id"]) != 1:
            return Reply(code=4000, words="The form must have `id`, once", status=400)
        return held.finish(form["id"][0]) if call is Call.FINISH else held.retract(form["id"][0])

    # -- answers -------------------------------------------------------------------------------------------------------------------

    def _reply(self, reply: Reply) -> None:
        self._send(reply.status, reply.xml())

    def _send(self, status: int, body: bytes, *, kind: str = _XML, challenge: bool = False, cut: bool = False, slow: float = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Request-ID", f"sim-{next(self.server.standin.numbers)}")
        if challenge:
            self.send_header("WWW-Authenticate", 'Basic realm="sim"')
        self.end_headers()
        if cut:
            self.wfile.write(body[: len(body) // 2])
            raise _Cut
        if slow:
            for byte in body:
                if self.server.standin.over.wait(slow / max(1, len(body))):
                    raise _Cut
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            return
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


def _row(report: HeldReport) -> dict[str, Any]:
    files = [{"id": f.id, "name": f.name, "size": f.size, "md5": f.md5, "described": f.details is not None} for f in report.files.values()]
    return {
        "id": report.id,
        "state": report.state,
        "opened_at": report.opened_at,
        "changed_at": report.changed_at,
        "bytes": len(report.document),
        "files": files,
    }
