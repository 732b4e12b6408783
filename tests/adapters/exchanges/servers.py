"""Stand-ins that speak the exchanges' protocols, each as python-threatexchange 1.2 or the Arachnid SDK 0.2 reads and writes it.

A list is `entries`: by id, its fingerprints (None: deleted) and when it changed. `want()` is what a bank that follows it must hold.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from nightlight.adapters.exchanges.rows import digest
from tests.adapters.exchanges.standin import Answer, Asked, StandIn

START = 1_700_000_000
Held = dict[str, frozenset[tuple[str, str]]]
"""What a bank holds: kind and value of the fingerprints by the list's own id."""


def hashed(kind: str, seed: object) -> str:
    made = hashlib.sha512(f"{kind} {seed}".encode()).hexdigest()
    return made[: {"md5": 32, "sha1": 40, "pdq": 64, "sha256": 64}[kind]]


class Lists(StandIn):
    """A list that is read by time, in pages."""

    page = 4
    link = ""
    """`loop`: the links lead in a circle; else a link to give in place of the right one."""
    link_once = True
    again = False
    """Each page is given twice, under two links."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, tuple[dict[str, str] | None, int]] = {}
        self.extra: dict[str, Any] = {}
        """Rows that are no rows, by id."""
        self.unreadable: set[str] = set()
        """Ids whose page is broken for as long as they are in it."""
        self._clock, self._step = START, 100

    def put(self, id: str, fingerprints: Mapping[str, str] | None = None, *, at: int | None = None) -> None:
        self._clock += self._step
        self.entries.pop(id, None)
        self.entries[id] = (dict(fingerprints or {"pdq": hashed("pdq", id), "md5": hashed("md5", id)}), at or self._clock)

    def delete(self, id: str) -> None:
        self._clock += self._step
        self.entries.pop(id, None)
        self.entries[id] = (None, self._clock)

    def today(self) -> None:
        """What changes from now on changes at the present time."""
        self._clock, self._step = now() - 600, 1

    def among(self, since: int, until: int) -> list[str]:
        found = [(at, id) for id, (_, at) in self.entries.items() if since <= at <= until]
        return [id for _, id in sorted(found)]


class Ncmec(Lists):
    credentials: ClassVar = {"username": "SECRETUSER", "password": "SECRETPASS"}
    member = 42

    def __init__(self) -> None:
        super().__init__()
        self.votes: dict[tuple[str, str, str], str] = {}
        self.reasons = {"guid-1": "Not what it says", "guid-2": "Too common"}
        self.classes: dict[str, str] = {}

    def want(self) -> Held:
        return {f"ncmec:{self.member}-{id}": frozenset(f.items()) for id, (f, _) in self.entries.items() if f}

    def answer(self, asked: Asked) -> Answer:
        login = base64.b64encode(b"SECRETUSER:SECRETPASS").decode()
        if asked.headers.get("authorization") != f"Basic {login}":
            return Answer(401, b"SECRET words of the server")
        if asked.path == "/hashsharing/v2/entries":
            return self._entries(asked.query)
        parts = asked.path.removeprefix("/hashsharing/v2/").split("/")
        if asked.method == "PUT" and parts[0] == "entries" and parts[4] == "feedback":
            known = self.entries.get(parts[2])
            if known is None or known[0] is None:
                return Answer(404, b"")
            vote = "down" if b"<negative>" in asked.body else "up"
            guid = next((g for g in self.reasons if g.encode() in asked.body), "")
            self.votes[parts[1], parts[2], parts[3]] = f"{vote} {guid}".strip()
            return Answer(200, b"<ok/>")
        if parts[0] == "feedback":
            rows = "".join(f'<feedbackReason guid="{g}" name="{escape(n)}"/>' for g, n in self.reasons.items())
            return Answer(200, f"<r><availableFeedbackReasons>{rows}</availableFeedbackReasons></r>".encode())
        return Answer(404, b"")

    def _entries(self, query: dict[str, str]) -> Answer:
        since, until = (int(datetime.fromisoformat(query[k]).timestamp()) for k in ("from", "to"))
        found = self.among(since, until)
        # The real one gives no order either.
        found.sort(key=lambda one: hashlib.sha256(one.encode()).digest())
        start, times = int(query.get("start", 0)), int(query.get("times", 0))
        part = found[start : start + self.page]
        if self.unreadable & set(part):
            return Answer(200, b"<queryResult><images><image>")
        images = "".join(self._row(id) for id in part)
        next = ""
        over = start + self.page
        if over < len(found) or (self.again and not times):
            if self.again and not times:
                over = start
            next = f"/v2/entries?from={query['from']}&to={query['to']}&start={over}&size={self.page}&max={len(found)}"
            next += "&times=1" if self.again and not times else ""
            if self.link:
                next = (
                    f"/v2/entries?from={query['from']}&to={query['to']}&start=0&size=4&max=9&times=2" if self.link == "loop" else self.link
                )
                self.link = "" if self.link_once and self.link != "loop" else self.link
        body = (
            '<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">'
            f'<images count="{len(part)}" maxTimestamp="2026-01-01T00:00:00Z">{images}</images>'
            f"<paging><next>{escape(next)}</next></paging></queryResult>"
        )
        return Answer(200, body.encode())

    def _row(self, id: str) -> str:
        if id in self.extra:
            return str(self.extra[id])
        fingerprints, _ = self.entries[id]
        member = f'<member id="{self.member}">Example &amp; Sons</member>'
        if fingerprints is None:
            return f"<deletedImage>{member}<timestamp>x</timestamp><id>{id}</id></deletedImage>"
        made = "".join(f"<{k}>{v}</{k}>" for k, v in fingerprints.items())
        kind = self.classes.get(id, "A1")
        return f"<image>{member}<id>{id}</id><classification>{kind}</classification><fingerprints>{made}</fingerprints></image>"


class StopNcii(Lists):
    credentials: ClassVar = {"subscription_key": "SECRETSUB", "fetch_key": "SECRETFETCH", "feedback_key": "SECRETBACK"}

    def __init__(self) -> None:
        super().__init__()
        self.feedback: dict[str, str] = {}

    def put(self, id: str, fingerprints: Mapping[str, str] | None = None, *, at: int | None = None) -> None:
        super().put(id, fingerprints or {"pdq": hashed("pdq", id)}, at=at)

    def delete(self, id: str) -> None:
        old, _ = self.entries[id]
        super().delete(id)
        self.gone = {**getattr(self, "gone", {}), id: old}

    def want(self) -> Held:
        return {f"stopncii:ImagePDQ-{digest(f['pdq'])}": frozenset(f.items()) for f, _ in self.entries.values() if f}

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("ocp-apim-subscription-key") != "SECRETSUB":
            return Answer(401, b"")
        if asked.path == "/v1/SubmitFeedback" and asked.headers.get("x-functions-key") == "SECRETBACK":
            for one in json.loads(asked.body)["hashFeedbacks"]:
                self.feedback[one["hashValue"]] = one["feedbackValue"]
            return Answer(200, b"{}")
        if asked.path != "/v1/FetchHashes" or asked.headers.get("x-functions-key") != "SECRETFETCH":
            return Answer(403, b"")
        since, token = int(asked.query["startTimestamp"]), asked.query.get("nextPageToken", "0")
        found, start = self.among(since, 1 << 60), int(token.partition("x")[0])
        part = found[start : start + self.page]
        if self.unreadable & set(part):
            return Answer(200, b'{"count": 1, "hashRecords": [{"x')
        over, next = start + self.page, None
        if self.again and "x" not in token:
            over, next = start, f"{start}x"
        elif over < len(found):
            next = str(over)
        if next is not None and self.link == "loop":
            next = "0x"
        reached = max((self.entries[id][1] for id in part), default=since)
        page = {
            "count": len(part),
            "nextPageToken": next,
            "nextSetTimestamp": reached,
            "hasMoreRecords": next is not None,
            "hashRecords": [self._row(id) for id in part],
        }
        return Answer(200, json.dumps(page).encode())

    def _row(self, id: str) -> Any:
        if id in self.extra:
            return self.extra[id]
        fingerprints, at = self.entries[id]
        status = "Active" if fingerprints else "Withdrawn"
        value = (fingerprints or self.gone[id])["pdq"]
        case = {"case-1": status} if fingerprints else []
        return {"lastModtimestamp": at, "signalType": "ImagePDQ", "hashValue": value, "hashStatus": status, "caseNumbers": case}


class Graph(Lists):
    """Meta's Graph API."""

    credentials: ClassVar = {"api_token": "12345678|SECRETSECRETSECRETSECRET"}
    group = "987"

    def __init__(self) -> None:
        super().__init__()
        self.reactions: dict[str, str] = {}
        self.tags: dict[str, list[str]] = {}

    def put(self, id: str, fingerprints: Mapping[str, str] | None = None, *, at: int | None = None) -> None:
        super().put(id, fingerprints or {"pdq": hashed("pdq", id)}, at=at)

    def want(self) -> Held:
        return {f"threatexchange:{id}": frozenset(f.items()) for id, (f, _) in self.entries.items() if f}

    def answer(self, asked: Asked) -> Answer:
        if asked.query.get("access_token") != self.credentials["api_token"]:
            return Answer(401, b"SECRET words of the server")
        if asked.path == f"/v26.0/{self.group}/threat_updates/":
            return self._updates(asked.query)
        id = asked.path.removeprefix("/v26.0/").strip("/")
        if asked.method == "POST" and id.startswith("9"):
            self.reactions[id] = asked.query["reactions"]
            return Answer(200, b'{"success": true}')
        if id in self.entries:
            return Answer(200, json.dumps({"descriptors": {"data": self._descriptors(id)}}).encode())
        return Answer(404, b"{}")

    def _updates(self, query: dict[str, str]) -> Answer:
        found = self.among(int(query.get("start_time", 0)), int(query["stop_time"]))
        start, times = int(query.get("after", 0)), int(query.get("times", 0))
        part = found[start : start + self.page]
        if self.unreadable & set(part):
            return Answer(200, b'{"data": [{"id": ')
        answer: dict[str, Any] = {"data": [self._row(id) for id in part]}
        over = start + self.page
        if over < len(found) or (self.again and not times):
            more = {**query, "after": str(start if self.again and not times else over)}
            more = {**more, "times": "1"} if self.again and not times else {k: v for k, v in more.items() if k != "times"}
            next = f"{self.url}/v26.0/{self.group}/threat_updates/?{urlencode(more)}"
            if self.link:
                next = (
                    f"{self.url}/v26.0/{self.group}/threat_updates/?{urlencode({**query, 'after': '0'})}"
                    if self.link == "loop"
                    else self.link
                )
                self.link = "" if self.link_once and self.link != "loop" else self.link
            answer["paging"] = {"next": next}
        return Answer(200, json.dumps(answer).encode())

    def _descriptors(self, id: str) -> list[Any]:
        tags = {"data": [{"id": "1", "text": t} for t in self.tags.get(id, [])]}
        others = {"id": f"9{id}", "owner": {"id": "777", "name": "Example"}, "status": "MALICIOUS", "tags": tags}
        return [others, {"id": f"8{id}", "owner": {"id": "12345678"}, "status": "UNKNOWN"}]

    def _row(self, id: str) -> Any:
        if id in self.extra:
            return self.extra[id]
        fingerprints, at = self.entries[id]
        if fingerprints is None:
            return {"id": id, "indicator": "", "type": "HASH_PDQ", "last_updated": at, "should_delete": True}
        ((kind, value),) = fingerprints.items()
        row = {"id": id, "indicator": value, "type": f"HASH_{kind.upper()}", "last_updated": at, "should_delete": False}
        return {**row, "descriptors": {"data": self._descriptors(id)}}


class Shield(StandIn):
    """Project Arachnid Shield's `/v1/pdq/`."""

    credentials: ClassVar = {"username": "SECRETUSER", "password": "SECRETPASS"}
    most = 1000

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, str] = {}
        """PDQ to classification."""
        self.odd: dict[str, Any] = {}
        self.unreadable: set[str] = set()

    def answer(self, asked: Asked) -> Answer:
        login = base64.b64encode(b"SECRETUSER:SECRETPASS").decode()
        if asked.headers.get("authorization") != f"Basic {login}" or asked.path != "/v1/pdq/":
            return Answer(401, b'{"detail": "SECRET"}')
        hashes = {one: base64.b64decode(one).hex() for one in json.loads(asked.body)["hashes"]}
        if len(hashes) > self.most:
            return Answer(413, b'{"detail": "SECRET"}')
        if self.unreadable & set(hashes.values()):
            return Answer(200, b'{"scanned_hashes": ')
        return Answer(200, json.dumps({"scanned_hashes": {one: self._said(value) for one, value in hashes.items()}}).encode())

    def _said(self, value: str) -> Any:
        if value in self.odd:
            return self.odd[value]
        if value not in self.known:
            return None
        sha1 = base64.b32encode(bytes.fromhex(hashed("sha1", value))).decode()
        near = {"timestamp": 0.0, "sha1_base32": sha1, "sha256_hex": hashed("sha256", value).upper(), "classification": self.known[value]}
        return {"classification": self.known[value], "match_type": "near", "near_match_details": near}


def now() -> int:
    return int(time.time())
