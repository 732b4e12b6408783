"""Every law is shown to fail on a detector that breaks just that: a law that cannot fail protects nobody."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from nightlight.core.detect import Absorption, Card, Detector, Fact, Key, KeyKind, Observation, load_card
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense
from nightlight.core.harm import Harm
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind
from nightlight.kit import check_detector
from nightlight.kit.golden import FILE, golden_line
from nightlight.kit.laws import LAWS
from nightlight.kit.workbench import Workbench
from tests.kit.tiny import HARMLESS, Count, Doubt, Tiny, TinySenses, write_folder

Breaks = tuple[str, str, Callable[[Card], Detector], Callable[[Path], None]]
BROKEN: list[Breaks] = []
"""Law, what is broken, the detector, and what is done to its folder."""


def _untouched(folder: Path) -> None:
    pass


def breaks(law: str, spoil: Callable[[Path], None] = _untouched) -> Callable[[type[Tiny]], type[Tiny]]:
    def register(broken: type[Tiny]) -> type[Tiny]:
        BROKEN.append((law, broken.__name__, broken, spoil))
        return broken

    return register


def spoils(law: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """The detector is fine; its folder is not."""

    def register(spoil: Callable[[Path], None]) -> Callable[[Path], None]:
        BROKEN.append((law, spoil.__name__, Tiny, spoil))
        return spoil

    return register


def with_card(law: str, what: str, **fields: Any) -> None:
    BROKEN.append((law, what, lambda card: Tiny(structs.replace(card, **fields)), _untouched))


# card and folder

for field, empty in {"version": "", "summary": " ", "owner": "", "harms": (), "data": (), "languages": (), "limits": ()}.items():
    with_card("card_is_complete", f"no_{field}", **{field: empty})
with_card("card_is_complete", "blank_limit", limits=("Something.", " "))
with_card("card_is_complete", "other_name", name="mini")
with_card("card_is_complete", "version_zero", state_version=0)
with_card("folder_is_complete", "harm_without_hit", harms=(Harm.GROOMING, Harm.SEXTORTION))


@spoils("folder_is_complete")
def no_readme(folder: Path) -> None:
    (folder / "README.md").unlink()


@spoils("folder_is_complete")
def no_test(folder: Path) -> None:
    (folder / "test_tiny.py").unlink()


@spoils("folder_is_complete")
def no_examples(folder: Path) -> None:
    (folder / "examples.jsonl").unlink()


def _keep_examples(folder: Path, keep: Callable[[Any], bool]) -> None:
    path = folder / "examples.jsonl"
    kept = [line for line in path.read_text("utf-8").splitlines() if keep(msgspec.json.decode(line)["kind"])]
    path.write_text("\n".join(kept), "utf-8")


@spoils("folder_is_complete")
def no_near_miss(folder: Path) -> None:
    _keep_examples(folder, lambda kind: kind != "near_miss")


@spoils("folder_is_complete")
def no_benign(folder: Path) -> None:
    _keep_examples(folder, lambda kind: kind != "benign")


@breaks("examples_get_what_they_say")
class Timid(Tiny):
    def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
        return structs.replace(super().signal(event, features, state), score=0.3)


@breaks("examples_get_what_they_say")
class Jumpy(Tiny):
    def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
        return structs.replace(super().signal(event, features, state), score=1.0)


# the fold


class Loose(msgspec.Struct, tag="loose"):
    left: float = 1.0


@breaks("input_is_never_mutated")
class MutatesStates(Tiny):
    state_type: Any = Loose | Count

    def new(self, key: Key) -> Any:
        return Count() if key.kind is KeyKind.ACCOUNT else Loose()

    def doubt(self, old: Any, event: EventBase, features: Features) -> Any:
        old.left *= 0.5
        return Loose(old.left)


@breaks("input_is_never_mutated")
class EmptiesTheMapping(Tiny):
    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        states.clear()  # type: ignore[attr-defined]
        return frozenset()


class LooseCount(msgspec.Struct, tag="count"):
    facts: int = 0


@breaks("input_is_never_mutated")
class MutatesWhenAbsorbing(Tiny):
    state_type: Any = Doubt | LooseCount

    def new(self, key: Key) -> Any:
        return LooseCount() if key.kind is KeyKind.ACCOUNT else Doubt()

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        state.facts += 1
        return Absorption(LooseCount(state.facts))


@breaks("input_is_never_mutated")
class WritesIntoFeatures(Tiny):
    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        if isinstance(features.summaries, dict):
            features.summaries["seen"] = None
        return super().keys(event, features)


@breaks("state_round_trips")
class SavesAsSomethingElse(Tiny):
    state_type: Any = Any


class Halfway(msgspec.Struct, frozen=True):
    """What it keeps as a set comes back as a list."""

    seen: Any = ()


@breaks("state_round_trips")
class LosesItsType(Tiny):
    state_type: Any = Halfway

    def new(self, key: Key) -> Any:
        return Halfway()

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        return Observation({key: Halfway(("seen", 1)) for key in states})


@breaks("state_is_bounded")
class RemembersEveryone(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        return Doubt(super().doubt(old, event, features).left, text=f"{old.text},{event.actor.account}")


@breaks("state_keeps_no_content")
class RemembersWords(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        return Doubt(super().doubt(old, event, features).left, text=event.content[:40])


@breaks("state_keeps_no_content")
class PassesWordsOn(Tiny):
    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        seen = super().observe(states, event, features)
        return structs.replace(seen, facts=tuple(structs.replace(fact, other=event.content) for fact in seen.facts))


@breaks("same_input_same_answer")
class TossesACoin(Tiny):
    def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
        return structs.replace(super().signal(event, features, state), score=random.random())


@breaks("same_input_same_answer")
class RemembersOutside(Tiny):
    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self.seen = 0

    def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
        self.seen += 1
        return structs.replace(super().signal(event, features, state), score=1 - 1 / (self.seen + 3))


@breaks("keys_are_first_hop_and_pure")
class WritesAccounts(Tiny):
    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (*super().keys(event, features), Key.account(event.actor.account))


@breaks("keys_are_first_hop_and_pure")
class ReachesElsewhere(Tiny):
    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (*super().keys(event, features), Key(KeyKind.CONVERSATION, "another"))


@breaks("keys_are_first_hop_and_pure")
class NamesAKeyTwice(Tiny):
    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return tuple(super().keys(event, features)) * 2


@breaks("keys_are_first_hop_and_pure")
class ChangesItsMind(Tiny):
    asked = 0

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        self.asked += 1
        return super().keys(event, features) if self.asked % 2 else (Key.conversation(event), Key.direction(event))


@breaks("observe_writes_only_its_keys")
class WritesWhatItDidNotName(Tiny):
    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        seen = super().observe(states, event, features)
        return structs.replace(seen, states={**seen.states, Key.direction(event): Doubt()})


def _with_facts(change: Callable[[Fact], Fact]) -> type[Tiny]:
    class Changed(Tiny):
        def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
            seen = super().observe(states, event, features)
            return structs.replace(seen, facts=tuple(map(change, seen.facts)))

    return Changed


for what, change in {
    "fact_of_first_hop": lambda fact: structs.replace(fact, key=Key(KeyKind.CONVERSATION, "room")),
    "fact_of_another_detector": lambda fact: structs.replace(fact, detector="another"),
    "fact_of_another_event": lambda fact: structs.replace(fact, event="another"),
    "fact_without_value": lambda fact: structs.replace(fact, value=float("nan")),
}.items():
    BROKEN.append(("facts_name_second_hop_keys", what, _with_facts(change), _untouched))


def _with_summary(summary: Mapping[str, float], key: Key | None = None) -> type[Tiny]:
    class Changed(Tiny):
        def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
            seen = super().observe(states, event, features)
            return structs.replace(seen, facts=tuple(structs.replace(fact, key=key or fact.key) for fact in seen.facts))

        def absorb(self, state: Any, fact: Fact) -> Absorption:
            return Absorption(state, summary)

    return Changed


BROKEN.append(("facts_name_second_hop_keys", "prefixed_summary", _with_summary({"tiny.facts": 1.0}), _untouched))
BROKEN.append(("facts_name_second_hop_keys", "endless_summary", _with_summary({"facts": float("inf")}), _untouched))
BROKEN.append(("facts_name_second_hop_keys", "summary_of_a_picture", _with_summary({"facts": 1.0}, Key.media("m")), _untouched))


@breaks("no_event_makes_it_raise")
class NeedsATarget(Tiny):
    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (Key.pair(event, event.actor.account, event.targets[0].account),)

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        return Observation()


@breaks("no_event_makes_it_raise")
class NeedsItsSenses(Tiny):
    def strengths(self, features: Features) -> list[float]:
        assert features.text is not None or features.media is not None
        return super().strengths(features)


# never lowered, never hidden


class Mean(msgspec.Struct, frozen=True, tag="mean"):
    total: float = 0.0
    count: int = 0


@breaks("more_risk_never_lowers")
class Averages(Tiny):
    state_type: Any = Mean | Count

    def new(self, key: Key) -> Any:
        return Count() if key.kind is KeyKind.ACCOUNT else Mean()

    def doubt(self, old: Any, event: EventBase, features: Features) -> Any:
        found = self.strengths(features)
        return Mean(old.total + sum(found), old.count + len(found))

    def signal(self, event: EventBase, features: Features, state: Any) -> Signal:
        return super().signal(event, features, Doubt(1 - state.total / state.count))


@breaks("costly_senses_only_raise")
class TrustsTheCostly(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        searched = features.media is not None and features.media.likeness_searched
        return Doubt(1.0) if searched else super().doubt(old, event, features)


with_card("costly_senses_only_raise", "undeclared_want", senses=(Sense.TEXT, Sense.MATCH_EXACT))


@breaks("refusals_never_lower_the_other_side")
class ForgivesWhenRefused(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        refused = features.text is not None and any(cue.name == "refusal" for cue in features.text.cues)
        return Doubt(min(1.0, old.left * 1.5)) if refused else super().doubt(old, event, features)


@breaks("self_declared_minority_never_lowers")
class BelievesAges(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        return old if event.actor.age_band.is_minor else super().doubt(old, event, features)


@breaks("duplicates_never_hide")
class TakesRepeatsForNoise(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        same = str(len(event.content))
        return Doubt(1.0 if old.text == same else super().doubt(old, event, features).left, text=same)


@breaks("benign_padding_never_hides")
class FadesByTheMessage(Tiny):
    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        return super().doubt(Doubt(min(1.0, old.left * 1.2)), event, features)


@breaks("interleaving_changes_neither")
class LosesTheThread(Tiny):
    last = ""

    def doubt(self, old: Doubt, event: EventBase, features: Features) -> Doubt:
        before, self.last = self.last, event.conversation
        return super().doubt(old if before == event.conversation else Doubt(), event, features)


# evidence


def _with_signal(change: Callable[[Signal, EventBase], Signal]) -> type[Tiny]:
    class Changed(Tiny):
        def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
            return change(super().signal(event, features, state), event)

    return Changed


def _said(signal: Signal, event: EventBase, evidence: Evidence) -> Signal:
    return structs.replace(signal, evidence=(evidence,))


BAD_SIGNALS: dict[str, Callable[[Signal, EventBase], Signal]] = {
    "no_evidence": lambda s, e: structs.replace(s, evidence=()),
    "no_reason": lambda s, e: _said(s, e, Evidence(e.id, " ")),
    "unknown_event": lambda s, e: _said(s, e, Evidence("never-seen", "Did so")),
    "span_beyond_the_text": lambda s, e: _said(s, e, Evidence(e.id, "Did so", (0, len(e.content) + 1))),
    "span_backwards": lambda s, e: _said(s, e, Evidence(e.id, "Did so", (3, 2))),
    "quotes_the_text": lambda s, e: _said(s, e, Evidence(e.id, f"Wrote: {e.content}")),
    "score_above_one": lambda s, e: structs.replace(s, score=1.01),
    "score_below_zero": lambda s, e: structs.replace(s, score=-0.01),
    "score_not_a_number": lambda s, e: structs.replace(s, score=float("nan")),
    "another_detector": lambda s, e: structs.replace(s, detector="another"),
    "another_version": lambda s, e: structs.replace(s, version="0.0.0"),
    "another_harm": lambda s, e: structs.replace(s, harm=Harm.SEXTORTION),
    "time_without_zone": lambda s, e: structs.replace(s, at=e.at.replace(tzinfo=None)),
    "another_conversation": lambda s, e: structs.replace(s, subject=Subject(SubjectKind.CONVERSATION, "another")),
}
for what, bad in BAD_SIGNALS.items():
    BROKEN.append(("signals_carry_evidence", what, _with_signal(bad), _untouched))

with_card("senses_are_declared", "uses_text_unlisted", senses=(Sense.MATCH_EXACT, Sense.MATCH_LIKENESS))
with_card("senses_are_declared", "uses_matches_unlisted", senses=(Sense.TEXT,))


# old states

with_card("old_states_are_read", "no_golden_state", state_version=2)


class Second(Tiny):
    """State version 2 of the same detector."""

    def __init__(self, card: Card) -> None:
        super().__init__(structs.replace(card, state_version=2))

    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        return msgspec.msgpack.decode(raw, type=Doubt | Count)


def keep_a_state(folder: Path) -> None:
    """As version 1 saved it."""
    old = Tiny(load_card(folder))
    (folder / FILE).write_text(golden_line(old, Key(KeyKind.CONVERSATION, "room"), Doubt(0.25)) + "\n", "utf-8")


@breaks("old_states_are_read", keep_a_state)
class CannotUpgrade(Second):
    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        raise ValueError("what is this?")


@breaks("old_states_are_read", keep_a_state)
class Forgets(Second):
    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        return self.new(key)


@breaks("old_states_are_read", keep_a_state)
class UpgradesToAnotherType(Second):
    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        return {"type": "elsewhere", "left": 0.25}


@spoils("old_states_are_read")
def state_changed_without_a_new_version(folder: Path) -> None:
    (folder / FILE).write_text('{"version":1,"key_kind":"conversation","key_id":"room","hex":"81a56f74686572cb3fd0000000000000"}', "utf-8")


@spoils("old_states_are_read")
def state_of_the_future(folder: Path) -> None:
    keep_a_state(folder)
    path = folder / FILE
    path.write_text(path.read_text("utf-8").replace('"version":1', '"version":9'), "utf-8")


# the tests themselves


def test_a_lawful_detector_passes(tmp_path: Path) -> None:
    path = write_folder(tmp_path)
    check_detector(Tiny(load_card(path.parent)), TinySenses(), examples=path)


def test_a_lawful_upgrade_passes(tmp_path: Path) -> None:
    path = write_folder(tmp_path)
    keep_a_state(path.parent)
    check_detector(Second(load_card(path.parent)), TinySenses(), examples=path)


@pytest.mark.parametrize(("law", "what", "build", "spoil"), BROKEN, ids=[f"{law}-{what}" for law, what, *_ in BROKEN])
def test_a_broken_detector_is_told_which_law(
    law: str, what: str, build: Callable[[Card], Detector], spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    path = write_folder(tmp_path)
    detector = build(load_card(path.parent))
    spoil(path.parent)
    with pytest.raises(AssertionError) as caught:
        if path.exists():
            LAWS[law](Workbench(detector, TinySenses(), path))
        else:
            check_detector(detector, TinySenses(), examples=path)
    said = str(caught.value)
    assert f"law `{law}`" in said
    assert HARMLESS not in said, "what people wrote stays out of messages"


def test_every_law_is_seen_to_fail() -> None:
    assert {law for law, *_ in BROKEN} == set(LAWS)


def test_check_names_every_broken_law_and_the_example(tmp_path: Path) -> None:
    path = write_folder(tmp_path)
    with pytest.raises(AssertionError) as caught:
        check_detector(Timid(structs.replace(load_card(path.parent), limits=())), TinySenses(), examples=path)
    said = str(caught.value)
    assert "law `card_is_complete`" in said
    assert "law `examples_get_what_they_say`" in said
    assert "'two words'" in said


def test_each_law_says_what_it_is() -> None:
    for name, rule in LAWS.items():
        assert rule.__doc__, f"{name} has no docstring"
