"""Plays an evening to a real service over HTTP, and tells what came of it."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from nightlight.app.bootstrap import Nightlight
from nightlight.app.demo import DemoStep, Send, Upload, banked, evening
from nightlight.app.demo.world import HOURS
from nightlight.app.serving import serve_until_stopped
from nightlight.app.stats import strongest_of
from nightlight.core.bank import Bank
from nightlight.core.services import Scope

BATCH = 50
PLAY_S = 60.0
"""How long an evening takes when somebody is watching."""
RECENT_S = 5.0
JOB_S = 60.0
"""How long an upload that became a job is waited for."""
BANK = "lanternfall-known"


class Story(Struct):
    """A risk-shaped conversation and when it was noticed."""

    first: datetime
    events: int = 0
    alert_events: int | None = None
    alert_seconds: float | None = None
    """Seconds of the evening from its first event to the first decision of high level."""
    level: str = "none"
    harms: tuple[str, ...] = ()


class Tally(Struct):
    """What has come of the evening so far. Written by the thread that plays, read by the one that shows."""

    events: int = 0
    uploads: int = 0
    found: int = 0
    """Uploads that matched the bank."""
    banked: int = 0
    """Uploads that show a banked picture."""
    false_alarms: int = 0
    """Benign events decided at high level."""
    errors: int = 0
    busy_s: float = 0.0
    evenings: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    stories: dict[str, Story] = field(default_factory=dict)
    cases_open: int = 0
    """In the database, when the demo ended."""
    began: float | None = None
    """When the first answer came, on the monotonic clock; with each later one's time and size, of the last few seconds."""
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def rate(self) -> float:
        """A second, while something was being sent: how fast the service answers, whatever the pace of the evening."""
        return (self.events + self.uploads) / self.busy_s if self.busy_s else 0.0

    def answered(self, count: int, now: float) -> None:
        self.began = now if self.began is None else self.began
        self.recent.append((now, count))
        while self.recent[0][0] < now - RECENT_S:
            self.recent.popleft()

    def pace(self, now: float) -> float:
        """A second by the clock on the wall, over the last few seconds."""
        if self.began is None:
            return 0.0
        return sum(count for at, count in tuple(self.recent) if at >= now - RECENT_S) / min(RECENT_S, max(1.0, now - self.began))


class Player:
    """Sends the steps of an evening in order and reads the answers, as a service would."""

    def __init__(self, address: str, key: str, tally: Tally, stop: threading.Event) -> None:
        self._http = http.client.HTTPConnection(address.split("://", 1)[1].rstrip("/"), timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}
        self.tally, self._stop = tally, stop

    def play(self, steps: list[DemoStep], seconds: float, prefix: str) -> None:
        """All steps in `seconds` of real time; 0: as fast as they are answered. `prefix` keeps the ids of evenings apart."""
        began, last = time.monotonic(), max((step.at for step in steps), default=0.0) or 1.0
        waiting: list[Send] = []
        for step in steps:
            due = began + seconds * step.at / last
            if waiting and (len(waiting) >= BATCH or isinstance(step, Upload) or (seconds and due > time.monotonic() + 0.05)):
                self._batch(waiting, prefix)
                waiting = []
            if seconds and self._stop.wait(max(0.0, due - time.monotonic())):
                return
            if self._stop.is_set():
                return
            if isinstance(step, Send):
                waiting.append(step)
            else:
                self._upload(step, prefix)
        if waiting:
            self._batch(waiting, prefix)

    def close(self) -> None:
        self._http.close()

    def _batch(self, steps: list[Send], prefix: str) -> None:
        events = [step.event | {"id": prefix + step.event["id"]} for step in steps]
        body = msgspec.json.encode({"events": events})
        answer = self._post("/v1/events:batch", body, "application/json")
        self.tally.answered(len(steps), time.monotonic())
        for step, result in zip(steps, answer.get("results", []), strict=False):
            self.tally.events += 1
            decision = result.get("decision")
            if decision is None:
                self.tally.errors += 1
            else:
                self._decided(decision)
                self._story(step, decision)

    def _upload(self, step: Upload, prefix: str) -> None:
        boundary = "lanternfall"
        envelope = msgspec.json.encode(step.envelope | {"id": prefix + step.envelope["id"]})
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="event"\r\nContent-Type: application/json\r\n\r\n'
        file = f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="picture"\r\n\r\n'
        body = head.encode() + envelope + file.encode() + step.data + f"\r\n--{boundary}--\r\n".encode()
        answer = self._post("/v1/media:screen", body, f"multipart/form-data; boundary={boundary}")
        self.tally.answered(1, time.monotonic())
        self.tally.uploads += 1
        self.tally.banked += step.banked
        if "state" in answer:  # a job: a busy machine, or the first picture of a cold start
            answer = self._awaited(prefix + step.envelope["id"])
        decision = answer.get("decision")
        if decision is None:
            self.tally.errors += 1
            return
        self._decided(decision)
        self.tally.found += "known_material" in decision["harms"]
        self.tally.false_alarms += decision["level"] == "high" and not step.banked

    def _awaited(self, event: str) -> dict[str, Any]:
        """The answer to an upload that became a job, once it is there; empty where it failed or takes longer than a minute."""
        end, name = time.monotonic() + JOB_S, quote(event, safe="")
        while time.monotonic() < end and not self._stop.wait(0.05):
            state = self._call("GET", f"/v1/jobs/{name}").get("state")
            if state != "waiting":
                return self._call("GET", f"/v1/decisions/{name}") if state == "done" else {}
        return {}

    def _post(self, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        return self._call("POST", path, body, {"Content-Type": content_type})

    def _call(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        began = time.monotonic()
        self._http.request(method, path, body, {**self._headers, **(headers or {})})
        answer: dict[str, Any] = msgspec.json.decode(self._http.getresponse().read())
        self.tally.busy_s += time.monotonic() - began
        return answer

    def _decided(self, decision: Mapping[str, Any]) -> None:
        tags = {action["action"] for action in decision["actions"]}
        self.tally.decisions[strongest_of(tags)] += 1

    def _story(self, step: Send, decision: Mapping[str, Any]) -> None:
        high = decision["level"] == "high"
        if step.story is None:
            self.tally.false_alarms += high
            return
        at = datetime.fromisoformat(step.event["at"])
        name = step.story if not self.tally.evenings else f"{step.story} ({self.tally.evenings + 1})"
        story = self.tally.stories.setdefault(name, Story(at))
        story.events += 1
        if high and story.alert_events is None:
            story.alert_events, story.alert_seconds = story.events, (at - story.first).total_seconds()
        if decision["level"] != "none":
            story.level = max(story.level, decision["level"], key=("none", "low", "elevated", "high").index)
            story.harms = tuple(dict.fromkeys((*story.harms, *decision["harms"])))


def play(
    nightlight: Nightlight,
    *,
    port: int,
    once: bool,
    seed: int,
    conversations: int,
    shared: Path | None,
    on_ready: Callable[[str, Tally], None],
    on_end: Callable[[], None],
) -> Tally:
    """Serve, and play evenings until Ctrl-C; with `once` a single one, as fast as it is answered."""
    key = _prepare(nightlight, shared)
    tally, stop = Tally(), threading.Event()
    failures: list[Exception] = []

    def perform(address: str) -> None:
        player = Player(address, key, tally, stop)
        try:
            while not stop.is_set():
                began = datetime.now(UTC) - timedelta(hours=HOURS)
                steps = list(evening(seed + tally.evenings, conversations, shared, began))
                player.play(steps, 0.0 if once else PLAY_S, f"{began:%H%M%S}-{tally.evenings}-")
                tally.evenings += 1
                if once:
                    break
        except Exception as error:
            if not stop.is_set():
                failures.append(error)
        finally:
            player.close()
            stop.set()

    thread: list[threading.Thread] = []

    def ready(address: str) -> None:
        on_ready(address, tally)
        thread.append(threading.Thread(target=perform, args=(address,), name="nightlight-demo", daemon=True))
        thread[0].start()

    try:
        serve_until_stopped(nightlight, "127.0.0.1", port, on_ready=ready, stop=stop)
    finally:
        stop.set()
        for started in thread:
            started.join(10)
        on_end()
    tally.cases_open = nightlight.database.pipeline.counts()["open_cases"]
    if failures and isinstance(failures[0], OSError | http.client.HTTPException):
        if once:
            raise RuntimeError("the service went away before the evening was over") from failures[0]
        return tally  # Ctrl-C stops the service first; whoever was sending finds nobody there
    if failures:
        raise failures[0]
    return tally


def _prepare(nightlight: Nightlight, shared: Path | None) -> str:
    """The bank with its one picture (and the reference bridge, when it is there), and a key for the game."""
    if BANK not in {bank.name for bank in nightlight.banks.banks()}:
        nightlight.banks.create(Bank(name=BANK, note="the demo's: harmless pictures that stand in for known material"), "demo")
    for picture in banked(shared):
        nightlight.banks.add_bytes(BANK, picture.data, "demo", labels=("demo",))
    _, key = nightlight.keys.create("lanternfall", [Scope.EVENTS_WRITE, Scope.SAFETY_READ], "demo", rate_per_minute=1_000_000)
    return key
