"""A real `nightlight serve` on a real socket: what a service, an operator and an attacker meet."""

from __future__ import annotations

import http.client
import io
import json
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

import nightlight
from nightlight.adapters.webhook import verify_signature
from nightlight.app.settings import FILE
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.services import Scope
from tests.app.conftest import CHILD, EXTORTION, message
from tests.app.test_pipeline import picture
from tests.crash.storm import Receiver, Server, free_port

SECRET = "a-secret-of-more-than-sixteen-bytes"


class Service:
    def __init__(self, home: Path) -> None:
        self.receiver = Receiver(seed=3)
        (home / FILE).write_text(
            f'[endpoints.safety]\nurl = "{self.receiver.url}"\nsecret = "{SECRET}"\n'
            f"[server]\nmedia_deadline_s = 30\n"  # on a busy machine too these tests get answers and no jobs
            f'[[helplines]]\nname = "Helpline"\ncontact = "116 111"\nplace = "GB"\n'
        )
        self.home = home
        with nightlight.open(home) as engine:
            keys = engine.services.keys
            _, self.full = keys.create("full", list(Scope), "test", rate_per_minute=1_000_000)
            _, self.plain = keys.create("plain", [Scope.EVENTS_WRITE], "test", rate_per_minute=1_000_000)
        self.server = Server(home, free_port())
        self.server.start()

    def call(
        self, method: str, path: str, body: Any = None, key: str | None = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key or self.full}", "Content-Type": content_type}
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        raw = response.read()
        connection.close()
        return response.status, json.loads(raw) if raw and "json" in (response.getheader("content-type") or "") else raw

    def upload(self, envelope: dict[str, Any], data: bytes) -> tuple[int, Any]:
        mark = "mark"
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="event"\r\n\r\n{json.dumps(envelope)}\r\n'.encode()]
        parts += [
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode(),
            data,
            f"\r\n--{mark}--\r\n".encode(),
        ]
        return self.call("POST", "/v1/media:screen", b"".join(parts), content_type=f"multipart/form-data; boundary={mark}")

    def memory(self) -> int:
        """Resident bytes of the server's process."""
        assert self.server._process is not None
        status = Path(f"/proc/{self.server._process.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    yield running
    assert running.server.end() == 0, "SIGTERM ends it cleanly"
    running.receiver.close()


def now(text: str, **more: Any) -> dict[str, Any]:
    return message(text, at=datetime.now(UTC).isoformat(), **more)


def until(done: Any, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_an_ordinary_key_gets_instructions_and_no_reasoning(service: Service) -> None:
    status, answer = service.call(
        "POST", "/v1/events", now(EXTORTION, actor={"account": "x1", "age_band": "18+", "place": "GB"}), service.plain
    )
    assert status == 200
    assert "decision" not in answer
    assert "sextortion" not in json.dumps(answer["for_sender"])
    assert "harm" not in json.dumps(answer)


def test_safety_read_gets_the_reasoning_now_and_later(service: Service) -> None:
    event = now(EXTORTION, actor={"account": "x2", "age_band": "18+", "place": "GB"})
    status, answer = service.call("POST", "/v1/events", event)
    assert status == 200
    assert answer["decision"]["level"] == "high"
    assert answer["decision"]["reasons"]
    assert service.call("GET", f"/v1/decisions/{event['id']}") == (200, answer)
    assert service.call("POST", "/v1/events", event) == (200, answer)
    assert service.call("POST", "/v1/events", event | {"text": "other"})[0] == 409
    assert service.call("GET", "/v1/decisions/never")[0] == 404


def test_danger_is_first_in_line_and_shows_the_helpline_of_the_place(service: Service) -> None:
    event = now("i want to kill myself tonight", actor=CHILD | {"account": "sad"}, targets=[CHILD | {"account": "friend"}])
    status, answer = service.call("POST", "/v1/events", event)
    assert status == 200
    assert "immediate_danger" in answer["decision"]["harms"]
    assert answer["for_sender"]["helplines"] == [{"name": "Helpline", "contact": "116 111", "place": "GB"}]
    cases = service.call("GET", "/v1/cases")[1]
    first = (cases.get("cases") or cases.get("items") if isinstance(cases, dict) else cases)[0]
    assert first["queue"] == "immediate"


def test_one_bad_of_a_hundred_is_reported_by_position(service: Service) -> None:
    events = [now(f"hello {n}") for n in range(100)]
    events[41] = events[41] | {"actor": {"account": "a", "age_band": "eleven"}}
    status, answer = service.call("POST", "/v1/events:batch", {"events": events})
    assert status == 200
    results = answer["results"]
    assert len(results) == 100
    assert [n for n, r in enumerate(results) if "event_id" not in r] == [41]
    assert results[41]["field"].endswith("actor.age_band")
    assert "eleven" not in json.dumps(results[41])


def test_a_picture_banked_by_api_is_blocked_when_uploaded(service: Service) -> None:
    assert service.call("POST", "/v1/banks", {"name": "api-bank"})[0] == 201
    from nightlight.senses.media import screen_bytes

    found = screen_bytes(picture(3))
    fingerprints = [{"kind": f.kind.value, "value": f.value} for f in found.fingerprints]
    assert service.call("POST", "/v1/banks/api-bank/items", {"fingerprints": fingerprints})[0] == 201
    envelope = {
        "kind": "media_screened",
        "id": "up-api",
        "at": datetime.now(UTC).isoformat(),
        "actor": CHILD,
        "channel": {"id": "p", "kind": "game"},
    }
    status, answer = service.upload(envelope, picture(3))
    assert status == 200
    assert answer["for_sender"]["codes"][0] == "do_not_send"
    assert "block_content" in [a["action"] for a in answer["decision"]["actions"]]


def test_a_bank_and_a_policy_changed_by_command_line_are_taken_up_without_a_restart(service: Service, tmp_path: Path) -> None:
    from nightlight.app.bootstrap import bootstrap
    from nightlight.core.bank import Bank
    from nightlight.core.decision import Mode

    with bootstrap(service.home) as other:
        other.banks.create(Bank(name="cli-bank"), "test")
        other.banks.add_bytes("cli-bank", picture(5), "test")
        other.database.policies.activate(
            'name = "shadowy"\n[[rule]]\nid = "a"\non = { level = "low" }\nactions = [{ action = "preserve" }]\n',
            Mode.SHADOW,
            "test",
            name="shadowy",
        )

    def seen() -> bool:
        number = str(time.monotonic_ns())
        envelope = {
            "kind": "media_screened",
            "id": number,
            "at": datetime.now(UTC).isoformat(),
            "actor": CHILD,
            "channel": {"id": "p", "kind": "game"},
        }
        return "known_material" in service.upload(envelope, picture(5))[1]["decision"]["harms"]

    with bootstrap(service.home) as other:
        until(lambda: seen() and any(True for _ in other.database.history.decided_by_both()), 5)


def test_a_revoked_key_ends_within_seconds(service: Service) -> None:
    from nightlight.app.bootstrap import bootstrap

    with bootstrap(service.home) as other:
        caller, secret = other.keys.create("short", [Scope.EVENTS_WRITE], "test")
        assert service.call("POST", "/v1/events", now("hello"), secret)[0] == 200
        other.keys.revoke(caller.id, "test")
    until(lambda: service.call("POST", "/v1/events", now("hello"), secret)[0] == 401, 5)


def test_a_notification_arrives_signed_and_without_content(service: Service) -> None:
    event = now(
        f"quibblesnatch {EXTORTION}", actor={"account": "x9", "age_band": "18+", "place": "GB"}, channel={"id": "n", "kind": "game"}
    )
    service.call("POST", "/v1/events", event)
    until(lambda: any(key.startswith(event["id"]) for key in list(service.receiver.deliveries)))
    key = next(key for key in service.receiver.deliveries if key.startswith(event["id"]))
    body = service.receiver.deliveries[key][0]
    assert b"quibblesnatch" not in body
    assert json.loads(body)["event_id"] == event["id"]
    headers = service.receiver.headers[key]
    assert verify_signature(SECRET, headers, body, datetime.now(UTC)) == key


def deep(n: int) -> bytes:
    return b"[" * n + b"]" * n


HOSTILE: list[tuple[str, bytes]] = [
    ("malformed", b"{"),
    ("empty", b""),
    ("null", b"null"),
    ("ten thousand arrays", deep(10_000)),
    ("a hundred thousand arrays", deep(100_000)),
    ("deep inside", b'{"kind":"message","text":' + deep(10_000) + b"}"),
    ("unknown kind", b'{"kind":"nonsense"}'),
    ("invalid UTF-8", b'{"kind":"message","text":"\xff\xfe"}'),
    ("lone surrogate", json.dumps(message("x")).replace('"x"', '"\\ud800"').encode()),
    ("NUL", json.dumps(message("a\0b")).encode()),
    ("a megabyte", json.dumps(message("x" * 1_000_000)).encode()),
    ("ten megabytes", b" " * 10_000_000),
    ("far future", json.dumps(message("x", at="9999-01-01T00:00:00Z")).encode()),
    ("far past", json.dumps(message("x", at="0001-01-01T00:00:00Z")).encode()),
    ("no zone", json.dumps(message("x", at="2026-01-01T00:00:00")).encode()),
    ("unknown age band", json.dumps(message("x", actor={"account": "a", "age_band": "12"})).encode()),
    ("to oneself", json.dumps(message("x", targets=[{"account": "grown"}])).encode()),
    ("a field too many", json.dumps(message("x", extra=1)).encode()),
    ("wrong type", json.dumps(message("x", channel=7)).encode()),
    ("NaN", b'{"kind":"gift","value":NaN}'),
    ("huge number", json.dumps(message("x")).replace('"account_age_days": 3', '"account_age_days": 1e999').encode()),
]


@pytest.mark.parametrize(("name", "body"), HOSTILE, ids=[name for name, _ in HOSTILE])
def test_hostile_input_is_a_clear_refusal(service: Service, name: str, body: bytes) -> None:
    status, problem = service.call("POST", "/v1/events", body)
    assert status in (400, 413), (status, problem)
    assert problem["status"] == status
    assert problem["detail"]
    status, _ = service.call("POST", "/v1/events:batch", b'{"events":[' + (body or b"null") + b"]}")
    assert status in (200, 400, 413)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_hostile_input_grows_no_memory(service: Service) -> None:
    def storm(times: int) -> None:
        for _ in range(times):
            for _, body in HOSTILE:
                service.call("POST", "/v1/events", body)
            service.upload(now("x", kind="media_screened") | {"id": str(time.monotonic_ns())}, bomb())

    storm(3)
    before = service.memory()
    storm(12)
    assert service.memory() - before < 60_000_000


def bomb() -> bytes:
    """A PNG that declares 100,000 x 100,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        bomb(),
        picture()[: len(picture()) // 2],
        b"\xff\xd8\xff" + b"\0" * 100,
        b"GIF89a" + b"\xff" * 50,
        b"<svg/>",
        io.BytesIO(b"RIFF0000WEBP").read(),
    ],
    ids=["bomb", "truncated", "jpeg in name only", "gif of noise", "svg", "webp header"],
)
def test_crafted_pictures_are_decided_and_said_to_be_unreadable(service: Service, data: bytes) -> None:
    envelope = {"kind": "media_screened", "at": datetime.now(UTC).isoformat(), "actor": CHILD, "channel": {"id": "p", "kind": "game"}}
    status, answer = service.upload(envelope | {"id": f"crafted-{hash(data)}"}, data)
    assert status == 200
    assert any(a["action"] == "open_case" for a in answer["decision"]["actions"]), "nobody could look inside, so a person does"


def test_the_real_service_is_as_described(service: Service) -> None:
    """The same as tests/web does over fakes, on the whole system: no 5xx, and nothing but what the description declares."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.server.port}/openapi.json")
    headers = {"Authorization": f"Bearer {service.full}"}
    beyond = [positive_data_acceptance, negative_data_rejection, ignored_auth]  # what these say is checked over the fakes
    called = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        def conforms(case: Any) -> None:
            nonlocal called
            called += 1
            case.validate_response(case.call(headers=headers), headers=headers, excluded_checks=beyond)

        conforms()
    assert called > 50


def test_the_service_is_ready_and_shows_what_it_does(service: Service) -> None:
    assert service.call("GET", "/healthz")[0] == 200
    status, ready = service.call("GET", "/readyz")
    assert status == 200, ready
    status, metrics = service.call("GET", "/metrics")
    assert status == 200
    assert b"nightlight_events_total" in metrics
    live = service.call("GET", "/live.json")[1]
    assert live["events"] > 0
    assert live["commits"] > 0
    assert "quibblesnatch" not in json.dumps(live)


def found(service: Service, fingerprint: Fingerprint) -> list[str]:
    status, answer = service.call("POST", "/v1/fingerprints:match", msgspec.json.encode({"fingerprints": [fingerprint]}))
    assert status == 200, answer
    return [match["item"] for match in answer["matches"]]


def test_two_processes_see_each_others_banks_and_files(service: Service) -> None:
    from nightlight.app.bootstrap import bootstrap

    likeness = Fingerprint(FingerprintKind.PDQ, "5a" * 32)
    assert service.call("POST", "/v1/banks", {"name": "both"})[0] == 201
    with bootstrap(service.home) as other:
        item = other.banks.add("both", [likeness], "test").id
        until(lambda: found(service, likeness) == [item], 5)
        other.banks.set_item_enabled("both", item, False, "test")
        until(lambda: found(service, likeness) == [], 5)
        other.banks.set_item_enabled("both", item, True, "test")
        until(lambda: found(service, likeness) == [item], 5)
        # The other way round.
        told = {"fingerprints": [{"kind": "md5", "value": "5a" * 16}]}
        status, made = service.call("POST", "/v1/banks/both/items", told)
        assert status == 201
        other.banks.refresh()
        assert [m.item for m in other.banks.match([Fingerprint(FingerprintKind.MD5, "5a" * 16)])] == [made["id"]]
        # One writes the files, the other takes them over.
        assert other.lasting.merge(everything=True)
        until(lambda: service.call("GET", "/v1/index")[1]["segments"] == list(other.lasting.status().segments), 10)
        assert found(service, likeness) == [item]
        other.banks.remove("both", item, "test")
        until(lambda: found(service, likeness) == [], 5)
        status, merged = service.call("POST", "/v1/index:merge")
        assert (status, merged["struck"], merged["trouble"], merged["veiled"]) == (200, 0, None, True)
        other.lasting.follow()  # unless it has already
        assert list(other.lasting.status().segments) == merged["segments"] and other.banks.match([likeness]) == []


def test_look_ups_of_many_files_tell_the_view_that_matched(service: Service) -> None:
    from PIL import Image, ImageOps

    from nightlight.app.bench.pictures import encoded, invented
    from nightlight.senses.media import screen_bytes

    shown = invented(500, 400, 11)
    plain = screen_bytes(encoded(shown))
    assert service.call("POST", "/v1/banks", {"name": "views"})[0] == 201
    banked = [f for f in plain.fingerprints if not f.variant]
    assert service.call("POST", "/v1/banks/views/items", msgspec.json.encode({"fingerprints": banked}))[0] == 201
    turned = encoded(ImageOps.mirror(shown).transpose(Image.Transpose.ROTATE_180))
    queries = [screen_bytes(data, thorough=True).fingerprints for data in (encoded(invented(500, 400, 12)), turned, encoded(shown))]
    body = msgspec.json.encode({"queries": [{"fingerprints": prints} for prints in queries]})
    status, answer = service.call("POST", "/v1/fingerprints:match", body)
    assert status == 200
    nothing, changed, same = ([m for m in one["matches"] if m["bank"] == "views"] for one in answer["results"])
    assert nothing == []
    assert [(m["variant"], m["kind"]) for m in changed] == [("upside_down", "pdq")] and changed[0]["distance"] <= 31
    assert {m["kind"] for m in same} == {"sha256", "sha1", "md5", "pdq"} and all(m["variant"] is None for m in same)
    # What is too featureless to be told from others is not searched.
    dull = [msgspec.structs.replace(f, quality=20) for f in banked if not f.kind.is_exact]
    assert service.call("POST", "/v1/fingerprints:match", msgspec.json.encode({"fingerprints": dull}))[1] == {"matches": []}


def test_many_uploads_at_once_are_decided_one_by_one(service: Service) -> None:
    at = datetime.now(UTC).isoformat()
    envelopes: list[Any] = [
        {"kind": "media_screened", "id": f"many-{n}", "at": at, "actor": CHILD, "channel": {"id": "p", "kind": "game"}} for n in range(4)
    ]
    envelopes[2] = {"kind": "nonsense"}
    files = [picture(5), bomb(), picture(6), picture(7)]
    mark = "mark"
    body = f'--{mark}\r\nContent-Disposition: form-data; name="events"\r\n\r\n{json.dumps(envelopes)}\r\n'.encode()
    for data in files:
        body += f'--{mark}\r\nContent-Disposition: form-data; name="file"\r\n\r\n'.encode() + data + b"\r\n"
    body += f"--{mark}--\r\n".encode()
    status, answer = service.call("POST", "/v1/media:screen", body, content_type=f"multipart/form-data; boundary={mark}")
    assert status == 200
    good, crafted, wrong, last = answer["results"]
    assert (good["event_id"], last["event_id"], wrong["status"]) == ("many-0", "many-3", 400)
    assert crafted["media"]["unreadable"] and not good["media"]["unreadable"]
    again = service.call("POST", "/v1/media:screen", body, content_type=f"multipart/form-data; boundary={mark}")
    assert again == (200, answer), "sending it again is safe"
    for one in (good, crafted, last):
        assert service.call("GET", f"/v1/decisions/{one['event_id']}")[1]["for_sender"] == one["for_sender"]


def test_the_index_and_the_decoders_tell_how_they_stand(service: Service) -> None:
    envelope = {"kind": "media_screened", "id": "ready-1", "at": datetime.now(UTC).isoformat(), "actor": CHILD}
    envelope |= {"channel": {"id": "p", "kind": "game"}}
    assert service.upload(envelope, picture(8))[0] == 200, "a decoder has started"
    _, ready = service.call("GET", "/readyz")
    checks = {check["name"]: check for check in ready["checks"]}
    assert checks["index"]["ok"], checks["index"]
    if sys.platform.startswith("linux"):
        assert "memory" in checks["decoders"]["detail"] and "replaced" in checks["decoders"]["detail"]
    metrics = service.call("GET", "/metrics")[1].decode()
    assert "nightlight_index_trouble 0.0" in metrics and 'nightlight_index_fingerprints{kind="pdq"}' in metrics
    assert "nightlight_decoders_replaced" in metrics and 'nightlight_decoders_confined{limit="memory"} 1.0' in metrics
