"""The laws, and what this detector says of single matches, of accounts and of its older memories."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nightlight.app.harness import senses
from nightlight.core.bank import BankAction, BankKind, Match
from nightlight.core.detect import MAX_STATE_BYTES, Fact, Key, KeyKind, Observation, decode_state, encode_state
from nightlight.core.event import AgeBand, Channel, Media, Message, Party
from nightlight.core.features import Features, MediaFeatures, Sense
from nightlight.core.fingerprint import Fingerprint, FingerprintKind, Variant
from nightlight.core.signal import FLOOD, FLOOD_GOES_ON, WITHDRAWN, SubjectKind
from nightlight.detectors.known_media import KnownMedia, build
from nightlight.detectors.known_media.detector import ACCOUNT_ITEMS_REMEMBERED, PART_OF_IT
from nightlight.detectors.known_media.states import (
    ACCOUNTS_MARKED,
    FLOOD_ACCOUNTS,
    FLOOD_MATCHES,
    SLICE_S,
    WINDOW_S,
    Met,
    Seen,
    Sharing,
    Uploader,
    mark,
)
from nightlight.kit import check_detector
from nightlight.kit.examples import read_examples
from nightlight.kit.golden import read_golden_states
from nightlight.kit.run import banked, run, sense

AT = datetime(2025, 6, 1, 12, tzinfo=UTC)
SHA256 = Fingerprint(FingerprintKind.SHA256, "0" * 64)
PDQ = Fingerprint(FingerprintKind.PDQ, "0" * 64, 100)
EVENT = Media(
    id="e1",
    at=AT,
    actor=Party(account="vell"),
    targets=(Party(account="osk", age_band=AgeBand.ADULT), Party(account="brin", age_band=AgeBand.A10_12)),
    channel=Channel(id="room"),
    fingerprints=(SHA256, PDQ),
)
DIRECTION = Key(KeyKind.DIRECTION, "room|vell")
CONVERSATION = Key(KeyKind.CONVERSATION, "room")
EMPTY = {DIRECTION: Sharing(0), CONVERSATION: Met(())}


def match(
    kind: FingerprintKind = FingerprintKind.SHA256,
    distance: int = 0,
    bank_kind: BankKind = BankKind.OWN,
    item: str = "a1",
    threshold: int = 31,
) -> Match:
    limit = 0 if kind.is_exact else threshold
    return Match(bank=bank_kind.value, bank_kind=bank_kind, item=item, kind=kind, distance=distance, threshold=limit)


def features(*matches: Match, prints: tuple[Fingerprint, ...] = (SHA256, PDQ), searched: bool = False) -> Features:
    return Features(media=MediaFeatures(fingerprints=prints, matches=matches, likeness_searched=searched))


def observed(*matches: Match, before: Mapping[Key, Any] = EMPTY) -> Observation:
    return KnownMedia().observe(before, EVENT, features(*matches))


def test_laws() -> None:
    check_detector(build(), senses())


def test_equal_bytes_are_certain() -> None:
    (signal,) = observed(match()).signals
    assert signal.score == 1.0
    assert str(signal.subject) == "media:own/a1"
    assert (signal.actor, signal.protects) == ("vell", "brin")
    assert signal.evidence[0].reason == "its SHA-256 is that of item a1 of bank own"
    assert signal.evidence[0].match == match()


def test_the_view_that_matched_is_said_and_a_part_is_never_more_than_a_reviewers_matter() -> None:
    near = match(FingerprintKind.PDQ, 4)
    said = {v: observed(replace(near, variant=v)).signals[0] for v in Variant}
    assert (
        said[Variant.MIRRORED].evidence[0].reason == "the PDQ hash of its mirrored copy is 4 bits from item a1 of bank own (threshold 31)"
    )
    assert len({signal.evidence[0].reason for signal in said.values()}) == len(Variant)
    whole = observed(near).signals[0].score
    assert {v for v, signal in said.items() if signal.score != whole} == {Variant.QUADRANT, Variant.INNER}
    assert said[Variant.INNER].score == PART_OF_IT >= 0.75
    (signal,) = observed(replace(near, variant=Variant.FRAME, seconds=12.25)).signals
    assert "its frame at 12.2 s is" in signal.evidence[0].reason


def test_likeness_falls_with_distance_and_stays_a_reviewers_matter() -> None:
    scores = [observed(match(FingerprintKind.PDQ, d)).signals[0].score for d in range(32)]
    assert scores == sorted(scores, reverse=True)
    assert (scores[0], round(scores[31], 9)) == (0.95, 0.8)
    assert observed(match(FingerprintKind.PDQ, 0, threshold=0)).signals[0].score == 0.95
    (signal,) = observed(match(FingerprintKind.PDQ, 12)).signals
    assert signal.evidence[0].reason == "its PDQ hash is 12 bits from item a1 of bank own (threshold 31)"


def test_what_awaits_review_scores_the_same_however_it_matches() -> None:
    for kind in (FingerprintKind.SHA256, FingerprintKind.PDQ):
        (signal,) = observed(match(kind, bank_kind=BankKind.QUARANTINE)).signals
        assert signal.score == 0.6
        assert "nobody has reviewed" in signal.evidence[0].reason


def test_the_strongest_match_is_the_subject_and_the_others_are_evidence() -> None:
    seen = observed(
        match(FingerprintKind.PDQ, 3, item="near"),
        match(bank_kind=BankKind.QUARANTINE, item="reported"),
        match(FingerprintKind.MD5, item="same"),
        match(FingerprintKind.PDQ, 20, item="far"),
    )
    (signal,) = seen.signals
    assert signal.subject.id == "own/same"
    assert [e.match.item for e in signal.evidence if e.match] == ["same", "near", "far", "reported"]
    many = observed(*[match(FingerprintKind.PDQ, d, item=f"i{d}") for d in range(20)])
    assert len(many.signals[0].evidence) == 8


def test_a_known_false_match_silences_with_a_reason() -> None:
    false = match(bank_kind=BankKind.NEGATIVE, item="f1")
    for positive in (match(FingerprintKind.PDQ, 4), match(bank_kind=BankKind.PARTNER)):
        seen = observed(positive, false)
        (signal,) = seen.signals
        assert (signal.score, signal.abstained) == (0.0, True)
        assert "item f1 of bank negative" in signal.evidence[0].reason
        assert seen.facts == () and seen.states == {}, "nobody is remembered for it"
    assert observed(false) == Observation(), "a false match alone is nothing to tell"


@pytest.mark.parametrize("kind", [FingerprintKind.MD5, FingerprintKind.SHA1, FingerprintKind.PDQ])
def test_only_sha256_can_silence(kind: FingerprintKind) -> None:
    (signal,) = observed(match(), match(kind, bank_kind=BankKind.NEGATIVE)).signals
    assert signal.score == 1.0


def test_repeats_in_a_conversation_are_told_and_bounded() -> None:
    states: Mapping[Key, Any] = EMPTY
    for n in range(30):
        seen = observed(match(item=f"i{n}"), before=states)
        states = seen.states
    assert states[DIRECTION] == Sharing(30)
    assert len(states[CONVERSATION].items) == 8
    assert "match number 30" in seen.signals[0].evidence[0].reason


def test_a_weaker_match_after_a_stronger_one_lowers_nothing() -> None:
    first = observed(match())
    second = observed(match(FingerprintKind.PDQ, 31), before=first.states)
    assert [s.score for s in (*first.signals, *second.signals)] == [1.0, 1.0]
    assert "31 bits" in second.signals[0].evidence[0].reason
    (other,) = observed(match(FingerprintKind.PDQ, 31, item="another"), before=second.states).signals
    assert round(other.score, 9) == 0.8, "each item on its own"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (features(), True),
        (features(prints=(SHA256,)), False),
        (features(prints=(SHA256, Fingerprint(FingerprintKind.PDQ, "0" * 64, 49))), False),
        (features(prints=(SHA256, Fingerprint(FingerprintKind.PDQ, "0" * 64, 50))), True),
        (features(prints=(Fingerprint(FingerprintKind.PDQ, "0" * 64),)), True),
        (features(match()), False),
        (features(match(bank_kind=BankKind.PARTNER)), False),
        (features(match(bank_kind=BankKind.QUARANTINE)), True),
        (features(match(bank_kind=BankKind.NEGATIVE)), True),  # an authority's list may still know it by likeness
        (features(replace(match(bank_kind=BankKind.NEGATIVE), overrides_authority=True)), False),
        (features(replace(match(), action=BankAction.HOLD)), False),
        (features(replace(match(), action=BankAction.REVIEW)), True),
        (features(replace(match(), action=BankAction.COUNT)), True),
        (features(prints=(SHA256, Fingerprint(FingerprintKind("x-ring"), "0" * 16))), True),
        (features(match(FingerprintKind.MD5, bank_kind=BankKind.NEGATIVE)), True),
        (features(searched=True), False),
        (Features(), False),
    ],
)
def test_likeness_is_wanted_only_where_it_can_change_something(given: Features, wanted: bool) -> None:
    got = KnownMedia().wants(EMPTY, EVENT, given)
    assert got == (frozenset({Sense.MATCH_LIKENESS}) if wanted else frozenset())


def test_events_without_media_touch_nothing() -> None:
    said = Message(id="e2", at=AT, actor=EVENT.actor, channel=EVENT.channel, text="plim")
    assert KnownMedia().keys(said, Features()) == ()


def fact(key: Key, other: str) -> Fact:
    return Fact(key=key, name="shared", at=AT, event="e1", detector="known_media", other=other)


def test_an_account_with_several_different_pictures_is_a_matter_of_its_own() -> None:
    detector, key = KnownMedia(), Key.account("vell")
    state: Any = detector.new(key)
    scores: list[float] = []
    for n in range(50):
        for _ in range(2):  # the same again adds nothing
            absorbed = detector.absorb(state, fact(key, f"own/{n}"))
            state = absorbed.state
        scores.append(absorbed.signals[0].score if absorbed.signals else 0.0)
        if absorbed.signals:
            assert absorbed.signals[0].subject.kind is SubjectKind.ACCOUNT
            assert absorbed.signals[0].evidence[0].event == "e1"
    assert [round(s, 9) for s in scores[:8]] == [0.0, 0.6, 0.75, 0.8, 0.85, 0.9, 0.95, 0.95]
    assert max(scores) == 0.95
    assert (state.matches, len(state.items)) == (100, ACCOUNT_ITEMS_REMEMBERED)
    assert absorbed.summary == {"matches": 100.0, "items": 32.0}


def test_facts_go_to_the_item_and_for_listed_ones_to_the_account() -> None:
    listed = observed(match(bank_kind=BankKind.PARTNER)).facts
    assert [(f.key, f.other) for f in listed] == [(Key.media("partner/a1"), "vell"), (Key.account("vell"), "partner/a1")]
    reported = observed(match(bank_kind=BankKind.QUARANTINE)).facts
    assert [f.key for f in reported] == [Key.media("quarantine/a1")]
    state = KnownMedia().absorb(Seen(4), listed[0]).state
    assert (state.times, state.recent) == (5, (1, 1))


def test_an_account_is_seen_over_all_its_rooms() -> None:
    example = next(e for e in read_examples(Path(__file__).parent / "examples.jsonl") if e.name.startswith("several different"))
    engine = senses()
    with banked(engine, example.banks):
        trace = run(build(), sense(engine, example.events))
    about = [s for step in trace.steps for s in step.all_signals if s.subject.kind is SubjectKind.ACCOUNT]
    assert [s.score for s in about] == [0.6, 0.75]
    assert trace.summaries["vell"].values == {"known_media.matches": 3.0, "known_media.items": 3.0}


def test_memories_of_older_versions_keep_their_counts() -> None:
    kept = {g.key_kind: g for g in read_golden_states(Path(__file__).parent) if g.version == 1}
    read = {kind: decode_state(KnownMedia(), 1, golden.raw, golden.key) for kind, golden in kept.items()}
    assert read == {
        KeyKind.DIRECTION: Sharing(matches=3),
        KeyKind.ACCOUNT: Uploader(matches=5, items=()),
        KeyKind.MEDIA: Seen(times=9),
    }
    second = {g.key_kind: g for g in read_golden_states(Path(__file__).parent) if g.version == 2}
    assert {kind: decode_state(KnownMedia(), 2, golden.raw, golden.key) for kind, golden in second.items()} == {
        KeyKind.DIRECTION: Sharing(matches=3),
        KeyKind.CONVERSATION: Met(items=((mark("own/a1"), 0.95),)),
        KeyKind.ACCOUNT: Uploader(matches=5, items=(mark("own/a1"), mark("own/b2"))),
        KeyKind.MEDIA: Seen(times=9),
    }
    with pytest.raises(ValueError, match="version 7"):
        KnownMedia().upgrade(7, b"", DIRECTION)


SPARING = {
    "quarantine": match(bank_kind=BankKind.QUARANTINE),
    "derived": replace(match(FingerprintKind.PDQ, 3), derived=True),
    "paused": replace(match(), paused=True),
    "review": replace(match(), action=BankAction.REVIEW),
}


@pytest.mark.parametrize("name", SPARING)
def test_what_may_not_count_against_an_account_names_none_and_is_remembered_of_none(name: str) -> None:
    seen = observed(SPARING[name])
    (signal,) = seen.signals
    assert signal.score > 0 and signal.actor is None
    assert [f.key.kind for f in seen.facts] == [KeyKind.MEDIA]
    assert seen.states[DIRECTION] == Sharing(0)


def test_a_bank_that_only_counts_leaves_a_count_and_nothing_else() -> None:
    seen = observed(replace(match(), action=BankAction.COUNT))
    (signal,) = seen.signals
    assert (signal.score, signal.abstained, signal.actor, dict(seen.states)) == (0.0, True, None, {})
    assert "bank own only counts" in signal.evidence[0].reason
    (counted,) = seen.facts
    state = KnownMedia().absorb(Seen(4), counted).state
    assert state == Seen(5), "it is no part of a flood"


def test_the_item_that_an_id_names_is_not_called_item_twice() -> None:
    (signal,) = observed(match(item="item_01jd")).signals
    assert signal.evidence[0].reason == "its SHA-256 is that of item_01jd of bank own"


def test_overruled_lists_are_named_in_the_first_reason() -> None:
    (signal,) = observed(match(FingerprintKind.PDQ, 2, BankKind.PARTNER), replace(match(), action=BankAction.HOLD)).signals
    assert signal.evidence[0].reason == (
        "its SHA-256 is that of item a1 of bank own; bank partner would block it; "
        "overruled, because the very same bytes go before a likeness"
    )


# -- floods ------------------------------------------------------------------------------------------------------------------------


UNSEEN = Seen(0)


def seen_by(account: str, seconds: float = 0.0, name: str = "seen") -> Fact:
    at = AT + timedelta(seconds=seconds)
    return Fact(key=Key.media("own/a1"), name=name, at=at, event=f"e-{account}-{seconds}", detector="known_media", other=account, value=0.9)


def flooded(facts: list[Fact], state: Seen = UNSEEN) -> tuple[Seen, list[str | None]]:
    cues: list[str | None] = []
    for one in facts:
        absorbed = KnownMedia().absorb(state, one)
        state = absorbed.state
        cues.append(absorbed.signals[0].evidence[0].cue if absorbed.signals else None)
        assert all(s.actor is None and s.subject.id == "own/a1" and s.score == 0.9 for s in absorbed.signals)
        assert len(encode_state(state)) < MAX_STATE_BYTES / 4
    return state, cues


def test_a_flood_needs_many_matches_by_many_accounts_within_the_hour() -> None:
    many = [seen_by(f"p{n % FLOOD_ACCOUNTS}", n) for n in range(FLOOD_MATCHES)]
    _, cues = flooded(many)
    assert cues == [None] * (FLOOD_MATCHES - 1) + [FLOOD]
    few_accounts = [seen_by(f"p{n % (FLOOD_ACCOUNTS - 1)}", n) for n in range(500)]
    assert set(flooded(few_accounts)[1]) == {None}, "some few who pass it on are no flood"
    slow = [seen_by(f"p{n}", n * (WINDOW_S + 2 * SLICE_S) / FLOOD_MATCHES) for n in range(500)]
    assert set(flooded(slow)[1]) == {None}, "as many, over more than an hour"
    state, _ = flooded([seen_by(f"p{n}", n) for n in range(5000)])
    assert len(state.accounts) == ACCOUNTS_MARKED and len(state.counts) <= WINDOW_S // SLICE_S + 1


def test_a_flood_is_said_once_and_again_until_the_item_is_paused_and_begins_anew_when_resumed() -> None:
    state, cues = flooded([seen_by(f"p{n}", n) for n in range(FLOOD_MATCHES + 3)])
    assert cues[-4:] == [FLOOD, FLOOD_GOES_ON, FLOOD_GOES_ON, FLOOD_GOES_ON]
    state, cues = flooded([seen_by(f"q{n}", 60 + n, "seen_paused") for n in range(200)], state)
    assert set(cues) == {None}
    state, cues = flooded([seen_by(f"r{n}", 300 + n) for n in range(FLOOD_MATCHES - 1)], state)
    assert set(cues) == {None}, "a person has resumed it: what came before is no flood now"
    assert flooded([seen_by("s", 400)], state)[1] == [FLOOD]


def test_times_that_run_backwards_neither_hide_a_flood_nor_make_one_up() -> None:
    state, _ = flooded([seen_by(f"p{n}", -60 * n) for n in range(FLOOD_MATCHES - 1)])
    assert flooded([seen_by("late", -10_000_000)], state)[1] == [FLOOD]


def test_what_a_flood_did_to_an_account_is_taken_back() -> None:
    detector, key = KnownMedia(), Key.account("vell")
    state: Any = detector.new(key)
    for n in range(3):
        state = detector.absorb(state, fact(key, f"own/{n}")).state
    taken = replace(fact(key, "own/1"), name=WITHDRAWN)
    absorbed = detector.absorb(state, taken)
    (signal,) = absorbed.signals
    assert (signal.score, signal.corrects) == (0.6, True)
    assert absorbed.summary == {"matches": 2.0, "items": 2.0}
    twice = detector.absorb(absorbed.state, taken)
    assert (twice.state, twice.signals, twice.summary) == (absorbed.state, (), {})
    rest = detector.absorb(twice.state, replace(fact(key, "own/0"), name=WITHDRAWN)).signals
    assert [s.score for s in rest] == [0.0], "one picture is no score"
