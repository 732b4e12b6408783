"""The demo's evening: the same from the same seed, right in every event, and telling what it says it tells."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nightlight.app.demo import DemoStep, Send, Upload, banked, evening
from nightlight.app.demo.pictures import shown
from nightlight.app.demo.world import CHAT, HOURS, START, stories
from nightlight.core.event import AgeBand, Assurance, Party
from nightlight.core.fingerprint import PDQ_MIN_QUALITY, PDQ_THRESHOLD, FingerprintKind
from nightlight.core.harm import Harm
from nightlight.ingest import DEFAULT_LIMITS, decode
from nightlight.senses.media import ScreenedMedia, screen_bytes

NOW = START + timedelta(days=1)


@cache
def small() -> tuple[DemoStep, ...]:
    return tuple(evening(3, conversations=40, shared_pictures=6))


def sent() -> list[Send]:
    return [step for step in small() if isinstance(step, Send)]


def test_one_seed_tells_one_evening_and_another_seed_another() -> None:
    assert tuple(evening(3, conversations=40, shared_pictures=6)) == small()
    assert tuple(evening(4, conversations=40, shared_pictures=6)) != small()


def test_every_step_is_an_event_that_ingest_takes() -> None:
    ids = set()
    for step in small():
        wire = step.event if isinstance(step, Send) else step.envelope
        event = decode(json.dumps(wire).encode(), DEFAULT_LIMITS, NOW)
        assert event.at == START + timedelta(seconds=round(step.at, 3))
        ids.add(event.id)
    assert len(ids) == len(small())


def test_steps_come_in_the_order_of_their_time_and_end_with_the_evening() -> None:
    times = [step.at for step in small()]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < HOURS * 3600


def test_the_start_moves_the_whole_evening() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moved = next(iter(evening(3, conversations=2, start=start, shared_pictures=0)))
    assert isinstance(moved, Send)
    assert moved.event["at"].startswith("2026-01-01")


def test_a_full_evening_is_thousands_of_events_interleaved() -> None:
    steps = [step for step in evening(1, shared_pictures=0) if isinstance(step, Send)]
    assert 5_000 <= len(steps) <= 10_000
    changes = sum(a.event.get("channel") != b.event.get("channel") for a, b in pairwise(steps))
    assert changes > len(steps) / 2


def test_each_conversation_that_ships_is_short_and_between_two_to_four_people() -> None:
    lines = (resources.files("nightlight.app.demo") / "benign.jsonl").read_text(encoding="utf-8").splitlines()
    chats = [json.loads(line) for line in lines]
    assert len(chats) >= 120
    assert len({chat["conversation"] for chat in chats}) == len(chats)
    for chat in chats:
        assert chat["label"] == 0
        assert 2 <= len({m["author"] for m in chat["messages"]}) <= 4
        assert 4 <= len(chat["messages"]) <= 20
        times = [m["at"] for m in chat["messages"]]
        assert times == sorted(times)


@pytest.mark.parametrize("told", stories(), ids=lambda told: told["name"])
def test_each_story_concerns_a_child_and_is_told_in_order(told: dict[str, Any]) -> None:
    assert Harm(told["harm"])
    people = {
        label: Party(account=label, age_band=AgeBand(p["age_band"]), assurance=Assurance(p.get("assurance", "none")))
        for label, p in told["people"].items()
    }
    assert any(p.age_band.is_minor for p in people.values())
    if told["harm"] != Harm.IMMEDIATE_DANGER:
        assert people["a"].may_be_adult
    steps = [step for step in sent() if step.story == told["name"]]
    assert [step.event.get("text") for step in steps] == [step.get("text") for step in told["steps"]]
    assert len({step.event["actor"]["account"] for step in steps}) == len({step["by"] for step in told["steps"]})


def test_stories_are_few_among_many() -> None:
    assert 6 <= len(stories()) <= 8
    shapes = {told["harm"] for told in stories()}
    assert {Harm.GROOMING, Harm.SEXTORTION, Harm.IMMEDIATE_DANGER} <= {Harm(name) for name in shapes}
    conversations: dict[str, set[str | None]] = defaultdict(set)
    for step in sent():
        if channel := step.event.get("channel"):
            conversations[channel["id"]].add(step.story)
    assert all(len(told_of) == 1 for told_of in conversations.values())


@cache
def screened(data: bytes) -> ScreenedMedia:
    return screen_bytes(data)


def _distance(a: ScreenedMedia, b: ScreenedMedia) -> int:
    assert a.pdq is not None
    assert b.pdq is not None
    return (int(a.pdq, 16) ^ int(b.pdq, 16)).bit_count()


def test_only_the_banked_picture_comes_back_and_in_other_bytes() -> None:
    (bank,) = [screened(picture.data) for picture in banked()]
    assert bank.quality is not None
    assert bank.quality >= PDQ_MIN_QUALITY
    uploads = [step for step in small() if isinstance(step, Upload)]
    assert len(uploads) == 7
    assert sum(step.banked for step in uploads) == 1
    for step in uploads:
        seen = screened(step.data)
        assert seen.unreadable is None
        assert {f.kind for f in seen.fingerprints} >= {FingerprintKind.SHA256, FingerprintKind.PDQ}
        assert seen.sha256 != bank.sha256
        assert (_distance(seen, bank) <= PDQ_THRESHOLD) == step.banked


def test_pictures_come_in_the_formats_people_share() -> None:
    assert {screened(picture.data).media_type for picture in shown(3, 6)} == {"image/jpeg", "image/png", "image/webp"}


def test_the_shared_data_is_told_where_it_is_there(tmp_path: Path) -> None:
    chat = tmp_path / CHAT
    chat.parent.mkdir()
    messages = [{"at": 86_390 + i if i < 10 else i, "author": f"u{i % 3}", "text": f"zantle {i}"} for i in range(60)]
    with gzip.open(chat, "wt", encoding="utf-8") as out:
        out.write(json.dumps({"conversation": "c", "source": "s", "label": 0, "messages": messages}) + "\n")
    bridge = tmp_path / "pdq-reference"
    bridge.mkdir()
    for name in ("bridge-1.jpg", "bridge-2.jpg"):
        (bridge / name).write_bytes(banked()[0].data)

    steps = list(evening(1, conversations=3, shared=tmp_path, shared_pictures=0))
    benign = [s for s in steps if isinstance(s, Send) and s.story is None and s.event["kind"] == "message"]
    assert benign
    assert all(s.event["text"].startswith("zantle") for s in benign)
    assert [p.name for p in banked(tmp_path)] == ["banked-lanterns.jpg", "bridge-1.jpg"]
    assert {s.name for s in steps if isinstance(s, Upload)} == {"again-banked-lanterns.jpg", "again-bridge-1.jpg", "bridge-2.jpg"}
