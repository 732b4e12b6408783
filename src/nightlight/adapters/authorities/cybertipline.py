"""NCMEC's CyberTipline reporting API. Every method makes one request and says what came of it; nothing is tried twice here."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import httpx
from msgspec.structs import replace

from nightlight.adapters.authorities.codes import md5_of, read
from nightlight.adapters.authorities.timed import Got, NoAnswer, ask
from nightlight.core.errors import Denied, Invalid, Unavailable
from nightlight.core.filing import Answer, Call, Outcome

NAME = "ncmec"
"""The authority that it belongs to, as `reporting` names it."""
PLACES = {"production": "https://report.cybertip.org/ispws", "test": "https://exttest.cybertip.org/ispws"}
"""The authority's own hosts. Anything else is a stand-in, and must be named by its URL."""
CALL_S = 90.0
"""For a whole call; a call that takes longer is one whose answer was lost."""
SLOWEST = 100_000
"""Bytes a second that an upload is given."""
_XML = {"content-type": "text/xml; charset=utf-8"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def place_of(named: str) -> str:
    """`production`, `test`, or the URL of a stand-in, as the URL that calls go under. Raises Invalid."""
    if named in PLACES:
        return PLACES[named]
    try:
        parts = urlsplit(named)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid("cannot be read as a URL", field="authorities.cybertipline.to") from None
    if not port_fits or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise Invalid("must be `production`, `test` or an http(s) URL without a password", field="authorities.cybertipline.to")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise Invalid(
            "reports hold names and addresses: without TLS only this machine itself may be spoken to", field="authorities.cybertipline.to"
        )
    return named.rstrip("/")


def seconds_for(size: int) -> float:
    """How long a call may take that carries so many bytes."""
    return CALL_S + size / SLOWEST


class CyberTipline:
    """Fills `core.filing.Authority`. Holds no connection; safe to use from several threads."""

    def __init__(self, place: str, username: str, password: str, *, seconds: float | None = None) -> None:
        """place: see `place_of`. seconds: for every call, in place of what its size allows; for tests."""
        self.place = place
        self._auth = httpx.BasicAuth(username, password)
        self._seconds = seconds

    def __repr__(self) -> str:
        return f"CyberTipline({self.place!r})"  # never the password

    def submit(self, document: bytes) -> Answer:
        return self._call(Call.SUBMIT, self._post("submit", document, _XML), len(document))[0]

    def fileinfo(self, document: bytes) -> Answer:
        return self._call(Call.FILEINFO, self._post("fileinfo", document, _XML), len(document))[0]

    def upload(self, report_id: str, name: str, data: bytes) -> Answer:
        """The file's MD5 comes back with the answer: another one means that other bytes arrived."""
        request = httpx.Request(
            "POST", f"{self.place}/upload", data={"id": report_id}, files={"file": (name, data, "application/octet-stream")}
        )
        answer, got = self._call(Call.UPLOAD, request, len(data))
        if answer.outcome is not Outcome.DONE or got is None:
            return answer
        said, ours = md5_of(got.body), hashlib.md5(data, usedforsecurity=False).hexdigest()
        if said is not None and said != ours:
            return replace(
                answer, outcome=Outcome.LATER, reason="the file did not arrive as it was sent: the authority's MD5 of it differs"
            )
        return answer

    def finish(self, report_id: str) -> Answer:
        return self._call(Call.FINISH, httpx.Request("POST", f"{self.place}/finish", data={"id": report_id}))[0]

    def retract(self, report_id: str) -> Answer:
        return self._call(Call.RETRACT, httpx.Request("POST", f"{self.place}/retract", data={"id": report_id}))[0]

    def status(self) -> Answer:
        return self._call(None, httpx.Request("GET", f"{self.place}/status"))[0]

    def schema(self) -> bytes:
        try:
            got = ask(httpx.Request("GET", f"{self.place}/xsd"), self._auth, self._seconds or CALL_S)
        except NoAnswer as error:
            raise Unavailable(error.reason) from None
        if got.status in (401, 403):
            raise Denied("the authority does not accept user name and password")
        if got.status != 200 or b"schema" not in got.body[:4096]:
            raise Unavailable(f"the authority gave no schema (HTTP {got.status})")
        return got.body

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Request:
        return httpx.Request("POST", f"{self.place}/{path}", content=body, headers=headers)

    def _call(self, call: Call | None, request: httpx.Request, size: int = 0) -> tuple[Answer, Got | None]:
        try:
            got = ask(request, self._auth, self._seconds or seconds_for(size))
        except NoAnswer as error:
            return Answer(outcome=Outcome.LATER, reason=error.reason), None
        return read(call, got), got
