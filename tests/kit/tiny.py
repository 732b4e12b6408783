"""A tiny sense engine over invented words and a tiny detector that obeys every law, to be broken in one way at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.detect import Absorption, BaseDetector, Card, Fact, Key, KeyKind, Observation
from nightlight.core.event import EventBase, Media, Message
from nightlight.core.features import Cue, Features, MediaFeatures, Sense, TextFeatures
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.harm import Harm
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind
from nightlight.kit.samples import REFUSALS

STRENGTHS = {"zantle": 0.5, "brisp": 0.3}
"""Invented words that the tiny text sense takes for risk."""

CARD = """
name = "tiny"
version = "1.0.0"
state_version = 1
summary = "Counts invented words."
harms = ["grooming"]
data = ["content"]
senses = ["text", "match_exact", "match_likeness"]
languages = ["any"]
limits = ["The words are invented."]
owner = "tests"
"""


class TinySenses:
    """`zantle` and `brisp` are risk, a sample refusal is a refusal; a banked PDQ hash matches by likeness, any other kind exactly."""

    def __init__(self) -> None:
        self._banks: dict[str, Bank] = {}
        self._items: dict[tuple[str, str], BankItem] = {}

    def put_bank(self, bank: Bank, items: Sequence[BankItem]) -> None:
        self._banks[bank.name] = bank
        self._items.update({(item.bank, item.id): item for item in items})

    def features(self, events: Sequence[EventBase], *, costly: bool = True) -> list[Features]:
        return [self._one(event, costly) for event in events]

    def _one(self, event: EventBase, costly: bool) -> Features:
        if isinstance(event, Media):
            return Features(media=MediaFeatures(event.fingerprints, tuple(self._matches(event, costly)), likeness_searched=costly))
        text = event.content
        cues = [Cue("risk", s, (text.find(w), text.find(w) + len(w)), "Uses an invented word") for w, s in STRENGTHS.items() if w in text]
        if text in REFUSALS:
            cues.append(Cue("refusal", 1.0, (0, len(text)), "Says no"))
        return Features(text=TextFeatures(tuple(cues), words=len(text.split())))

    def _matches(self, event: Media, costly: bool) -> list[Match]:
        return [
            Match(bank=bank.name, bank_kind=bank.kind, item=item.id, kind=have.kind, distance=0, threshold=bank.threshold)
            for item in self._items.values()
            for bank in [self._banks[item.bank]]
            for have in event.fingerprints
            if bank.enabled and item.enabled and have in item.fingerprints and (costly or have.kind is not FingerprintKind.PDQ)
        ]


class Doubt(Struct, frozen=True, tag="doubt"):
    left: float = 1.0
    text: str = ""
    """Used only by broken detectors."""


class Count(Struct, frozen=True, tag="count"):
    facts: int = 0


class Tiny(BaseDetector):
    """Each risk halves (or so) the doubt about a conversation; the score is the doubt that is gone."""

    state_type: Any = Doubt | Count

    def __init__(self, card: Card) -> None:
        self.card = card

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (Key.conversation(event),) if isinstance(event, Message | Media) else ()

    def new(self, key: Key) -> Any:
        return Count() if key.kind is KeyKind.ACCOUNT else Doubt()

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        return frozenset({Sense.MATCH_LIKENESS} if isinstance(event, Media) else ())

    def strengths(self, features: Features) -> list[float]:
        cues = [cue.strength for cue in features.text.cues if cue.name == "risk"] if features.text else []
        return cues + [0.6 for _ in (features.media.matches if features.media else ())]

    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        left = old.left
        for strength in self.strengths(features):
            left *= 1 - strength
        return Doubt(left)

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        key = Key.conversation(event)
        new = self.doubt(states[key], event, features)
        if not self.strengths(features):
            return Observation({key: new})
        fact = Fact(key=Key.account(event.actor.account), name="risk", at=event.at, event=event.id, detector=self.card.name)
        return Observation({key: new}, (self.signal(event, features, new),), (fact,))

    def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
        return Signal(
            subject=Subject(SubjectKind.CONVERSATION, event.conversation),
            harm=Harm.GROOMING,
            score=1 - state.left,
            evidence=self.evidence(event, features),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            actor=event.actor.account,
        )

    def evidence(self, event: EventBase, features: Features) -> tuple[Evidence, ...]:
        cues = features.text.cues if features.text else ()
        return tuple(Evidence(event.id, cue.reason, cue.span) for cue in cues) or (Evidence(event.id, "Shows a banked picture"),)

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        facts = state.facts + 1
        signal = Signal(
            subject=Subject(SubjectKind.ACCOUNT, fact.key.id),
            harm=Harm.GROOMING,
            score=1 - 0.8**facts,
            evidence=(Evidence(fact.event, "Did so again"),),
            at=fact.at,
            detector=self.card.name,
            version=self.card.version,
        )
        return Absorption(Count(facts), {"facts": float(facts)}, (signal,))


def message(id: str, text: str, minute: int, **more: Any) -> dict[str, Any]:
    """A wire message from `vell`, an adult, to `brin`, a child."""
    return {
        "kind": "message",
        "id": id,
        "at": f"2025-06-01T12:{minute:02d}:00Z",
        "actor": {"account": "vell", "age_band": "18+", "assurance": "verified"},
        "targets": [{"account": "brin", "age_band": "10-12", "assurance": "guardian"}],
        "channel": {"id": "room"},
        "text": text,
        **more,
    }


def picture(id: str, minute: int) -> dict[str, Any]:
    wire = message(id, "", minute, kind="media", fingerprints=[PRINT])
    del wire["text"]
    return wire


PRINT = {"kind": "pdq", "value": "0f" * 32, "quality": 90}
BANKS = [{"bank": {"name": "tiny-bank"}, "items": [{"id": "i1", "bank": "tiny-bank", "fingerprints": [PRINT]}]}]
HARMLESS = "plim dorrow, the fenny bridge wants more stone"

EXAMPLES: list[dict[str, Any]] = [
    {
        "name": "two words",
        "kind": "hit",
        "why": "two risks",
        "harm": "grooming",
        "at_least": "high",
        "events": [message("a1", "zantle", 1), message("a2", HARMLESS, 2), message("a3", "a zantle otchet savik", 3)],
    },
    {
        "name": "a banked picture",
        "kind": "hit",
        "why": "found by likeness only",
        "harm": "grooming",
        "at_least": "elevated",
        "banks": BANKS,
        "events": [message("b1", "brisp", 1), picture("b2", 2)],
    },
    {"name": "one word", "kind": "near_miss", "why": "one", "at_most": "low", "events": [message("c1", "brisp", 1)]},
    {"name": "the same picture, not banked", "kind": "benign", "why": "no bank", "at_most": "none", "events": [picture("d1", 1)]},
]


def write_folder(parent: Path, *, card: str = CARD, examples: Sequence[Mapping[str, Any]] = EXAMPLES) -> Path:
    """A complete detector folder called `tiny`; the path of its examples."""
    folder = parent / "tiny"
    folder.mkdir()
    (folder / "card.toml").write_text(card, "utf-8")
    (folder / "README.md").write_text("# tiny\n", "utf-8")
    (folder / "test_tiny.py").write_text("", "utf-8")
    path = folder / "examples.jsonl"
    path.write_text("".join(json.dumps(example) + "\n" for example in examples), "utf-8")
    return path
