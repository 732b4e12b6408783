"""False alarms on real chat that is known to be harmless: every third public Ubuntu IRC log (Kummerfeld et al., ACL 2019; CC BY 4.0).

Technical chat among adults is an easy source: it bounds what ordinary words set off, and says nothing of chat among children.
"""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nightlight.core.event import Channel, ChannelKind, Message, Party
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Level
from nightlight.detectors import grooming, sextortion
from nightlight.kit.run import Sensed, run
from nightlight.kit.workbench import reaches
from nightlight.senses.text import TextSensor

CHAT = Path(__file__).resolve().parents[4] / "shared" / "data" / "benign-chat" / "ubuntu-irc.jsonl.gz"
MIDNIGHT = datetime(2025, 6, 1, tzinfo=UTC)
PRESENT = 20
"""Accounts named as present in the room: those who spoke last."""
AUTHOR_S_OWN = {"refusal", "scared", "asks_for_help", "self_declared_age", "self_harm", "sexual_language"}
"""Cues about who writes, not about what they do to another; and adults swear."""

pytestmark = pytest.mark.skipif(not CHAT.exists(), reason="the benign chat lies beside the checkout only where somebody put it there")


def conversations() -> list[dict[str, Any]]:
    with gzip.open(CHAT) as lines:
        return [msgspec.json.decode(line) for line in itertools.islice(lines, 0, None, 6)]


def sensed(messages: list[dict[str, Any]], room: str) -> list[Sensed]:
    """As a group: every age unknown, addressed to those who spoke last."""
    sensor, tails, recent, out = TextSensor(), dict[str, str](), list[str](), []
    for n, message in enumerate(messages):
        author = message["author"]
        text = sensor.read(message["text"], tails.get(author, ""))
        tails[author] = text.tail
        event = Message(
            id=f"{room}-{n}",
            at=MIDNIGHT + timedelta(seconds=message["at"]),
            actor=Party(account=author),
            targets=tuple(Party(account=other) for other in recent if other != author)[:PRESENT],
            channel=Channel(id=room, kind=ChannelKind.GROUP),
            text=message["text"],
        )
        out.append(Sensed(event, Features(text=text), Features(text=text)))
        recent = [author, *(other for other in recent if other != author)]
    return out


@pytest.mark.no_cover
def test_harmless_chat_sets_off_next_to_nothing() -> None:
    cues: Counter[str] = Counter()
    lines = 0
    for talk in conversations():
        events = sensed(talk["messages"], talk["conversation"])
        lines += len(events)
        cues.update(cue.name for one in events if one.full.text for cue in one.full.text.cues if cue.strength >= 0.5)
        pairs = Counter(one.event.actor.account for one in events).most_common(2)
        two = [one for one in events if one.event.actor.account in dict(pairs)]
        for part in (events, two):
            assert run(grooming.build(), part, saved=False).peak(Harm.GROOMING) < reaches(Level.HIGH)
            assert run(sextortion.build(), part, saved=False).peak(Harm.SEXTORTION) < reaches(Level.ELEVATED)
    about_others = {name: count for name, count in cues.items() if name not in AUTHOR_S_OWN}
    # Measured 0.1 in a thousand; three times that is the alarm.
    assert 1000 * sum(about_others.values()) / lines < 0.3, about_others
