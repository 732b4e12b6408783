"""The pipeline on a real database: what was promised about every event holds whatever comes."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from PIL import Image, ImageDraw

from nightlight.app.bootstrap import Nightlight
from nightlight.core.bank import Bank
from nightlight.core.clock import FixedClock
from nightlight.core.decision import HoldContent, LimitContact, Mode, OpenCase, Preserve
from nightlight.core.detect import Key
from nightlight.core.errors import Busy, Conflict, Invalid, NightlightError, StaleHead
from nightlight.core.event import EventBase
from nightlight.core.features import Features, SenseInput
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import Work
from nightlight.core.services import Answer
from nightlight.detectors import discover
from tests.app.conftest import ADULT, CHILD, EXTORTION, NOW, Wire, message, upload

SECRET_WORDS = "quibblesnatch"


def screen(graph: Nightlight, event: Wire) -> Answer:
    return graph.events.submit(graph.events.decode(msgspec.json.encode(event))).result(30)


def screen_all(graph: Nightlight, events: Sequence[Wire]) -> list[Answer | NightlightError]:
    return graph.events.submit_many([graph.events.decode(msgspec.json.encode(e)) for e in events]).result(30)


def tags(answer: Answer) -> set[str]:
    return {str(a.__struct_config__.tag) for a in answer.decision.actions}


def picture(seed: int = 1) -> bytes:
    image = Image.new("RGB", (320, 240), (20 * seed % 255, 90, 160))
    pen = ImageDraw.Draw(image)
    for n in range(12):
        x, y = (n * 53 * seed) % 300, (n * 37 + 11 * seed) % 220
        pen.ellipse((x, y, x + 20 + 5 * n, y + 14 + 3 * n), fill=((n * 40) % 255, (n * 90 * seed) % 255, 60))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


# -- one event ---------------------------------------------------------------------------------------------------------------------


def test_harmless_chat_is_delivered(graph: Nightlight) -> None:
    answer = screen(graph, message("did you win the last round?"))
    assert answer.decision.level is Level.NONE
    assert answer.for_sender.codes == ("accept",)
    assert [(r.account, r.codes) for r in answer.for_recipients] == [("kid", ("deliver",))]


def test_extortion_in_a_first_message_is_high_at_once_and_the_sender_is_told_nothing(graph: Nightlight) -> None:
    answer = screen(graph, message(EXTORTION))
    assert answer.decision.level is Level.HIGH
    assert Harm.SEXTORTION in answer.decision.harms
    assert {"limit_contact", "open_case", "preserve"} <= tags(answer)
    assert answer.decision.reasons
    assert answer.decision.detectors[0].split()[0] == "sextortion"
    assert set(answer.for_sender.codes) <= {"accept", "limited", "reach_limited"}
    assert answer.for_sender.messages == ()
    assert answer.for_recipients[0].messages, "the child is given a kind word"
    assert len(graph.database.cases.cases()) >= 1


def test_answers_speak_in_the_services_own_ids_and_the_store_only_in_pseudonyms(graph: Nightlight) -> None:
    answer = screen(graph, message(EXTORTION))
    assert answer.for_sender.account == "grown"
    limit = next(a for a in answer.decision.actions if isinstance(a, LimitContact))
    assert limit.account in (None, "grown")
    stored = graph.database.pipeline.event(answer.event_id)
    assert stored is not None
    assert all(account.startswith("p_") for account in stored.accounts)
    again = graph.events.decision(answer.event_id)
    assert again == answer


def test_a_picture_in_a_bank_is_blocked_and_its_likeness_held(graph: Nightlight) -> None:
    graph.banks.create(Bank(name="known"), "test")
    graph.banks.add_bytes("known", picture(), "test")
    same = graph.media.screen(msgspec.json.encode(upload()), picture()).result(30)
    assert "block_content" in tags(same)
    assert same.for_recipients[0].codes == ("withhold",)

    jpeg = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(jpeg, "JPEG", quality=80)
    like = graph.media.screen(msgspec.json.encode(upload()), jpeg.getvalue()).result(30)
    assert "hold_content" in tags(like)
    assert any("bits" in reason for reason in like.decision.reasons)

    other = graph.media.screen(msgspec.json.encode(upload()), picture(7)).result(30)
    assert tags(other) == {"allow"}


def test_a_disguised_or_empty_file_is_a_clear_answer(graph: Nightlight) -> None:
    answer = graph.media.screen(msgspec.json.encode(upload()), b"GIF89a" + b"\0" * 40).result(30)
    stored = graph.database.pipeline.event(answer.event_id)
    assert stored is not None
    with pytest.raises(Invalid, match="empty"):
        graph.media.screen(msgspec.json.encode(upload()), b"")


def test_a_featureless_picture_is_said_to_be_found_by_its_bytes_alone(graph: Nightlight) -> None:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (20, 90, 160)).save(out, "PNG")
    flat = graph.media.screen(msgspec.json.encode(upload(id="flat")), out.getvalue()).result(30)
    rich = graph.media.screen(msgspec.json.encode(upload(id="rich")), picture()).result(30)
    assert flat.media is not None and flat.media.exact_only
    assert rich.media is not None and not rich.media.exact_only


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\0" * 100])
def test_what_is_no_picture_is_not_banked_by_its_bytes(graph: Nightlight, data: bytes) -> None:
    graph.banks.create(Bank(name="own"), "test")
    with pytest.raises(Invalid, match="not a picture or video"):
        graph.banks.add_bytes("own", data, "test")
    assert graph.banks.items("own") == []


# -- same id, same decision --------------------------------------------------------------------------------------------------------


def test_same_id_same_decision_another_body_is_refused(graph: Nightlight, clock: FixedClock) -> None:
    event = message(EXTORTION)
    first = screen(graph, event)
    clock.advance(timedelta(hours=1))
    assert screen(graph, event) == first
    assert screen(graph, event | {"text": EXTORTION}) == first
    with pytest.raises(Conflict):
        screen(graph, event | {"text": "hello"})
    assert graph.database.history.live_decisions([event["id"]]) == {event["id"]: 1}


def test_same_id_twice_in_one_batch(graph: Nightlight) -> None:
    event = message("hello there")
    first, same, other = screen_all(graph, [event, event, event | {"text": "another"}])
    assert first == same
    assert isinstance(other, Conflict)


def test_the_same_upload_again_is_known_as_one(graph: Nightlight) -> None:
    envelope = upload()
    first = graph.media.screen(msgspec.json.encode(envelope), picture()).result(30)
    assert graph.media.screen(msgspec.json.encode(envelope), picture()).result(30) == first
    with pytest.raises(Conflict):
        graph.media.screen(msgspec.json.encode(envelope), picture(2)).result(30)


# -- one bad event spoils no other -------------------------------------------------------------------------------------------------


class Raises:
    """The grooming detector, broken on messages that hold one word."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.card, self.state_type = inner, inner.card, inner.state_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Any:
        if SECRET_WORDS in event.content:
            raise ValueError(event.content)
        return self._inner.observe(states, event, features)


def test_a_detector_that_raises_fails_safe_for_that_event_alone(
    build: Callable[..., Nightlight], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    detectors = dict(discover().detectors)
    detectors["grooming"] = Raises(detectors["grooming"])
    graph = build(detectors=detectors)
    bad, good = screen_all(graph, [message(f"{SECRET_WORDS} hello"), message(EXTORTION)])
    assert isinstance(bad, Answer)
    assert isinstance(good, Answer)
    assert bad.decision.failures == ("detector:grooming",)
    assert any(isinstance(a, OpenCase) for a in bad.decision.actions), "nobody knows the risk, so a person looks"
    assert bad.for_recipients[0].codes == ("deliver",)
    assert good.decision.level is Level.HIGH
    assert good.decision.failures == ()
    captured = capsys.readouterr()
    assert "detector failed" in captured.err, "the failure is logged, or the next line would prove nothing"
    assert captured.out == "", "standard output belongs to scripts"
    assert SECRET_WORDS not in captured.err + caplog.text


def test_a_sense_that_raises_fails_safe_for_that_event_alone(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = next(s for s in graph.parts.senses._first if s.sense == "text")
    whole = sensor.batch

    def batch(inputs: Sequence[SenseInput]) -> list[Features]:
        if any(SECRET_WORDS in i.event.content for i in inputs):
            raise ValueError
        return whole(inputs)

    monkeypatch.setattr(sensor, "batch", batch)
    bad, good = screen_all(graph, [message(SECRET_WORDS), message(EXTORTION)])
    assert isinstance(bad, Answer)
    assert isinstance(good, Answer)
    assert bad.decision.failures == ("sense:text",)
    assert good.decision.level is Level.HIGH


def test_a_store_that_refuses_one_event_keeps_the_others(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = graph.parts.store.commit

    def refusing(work: Work) -> None:
        if any(e.id == "poison" for e in work.events):
            raise OSError("disk")
        commit(work)

    monkeypatch.setattr(graph.parts.store, "commit", refusing)
    answers = screen_all(graph, [message("one"), message("two", id="poison"), message("three")])
    assert [type(a) for a in answers] == [Answer, Busy, Answer]
    monkeypatch.undo()
    assert isinstance(screen(graph, message("two", id="poison")), Answer)


def test_a_batch_computed_on_what_another_writer_changed_is_computed_again(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, times = graph.parts.store.commit, []

    def stale_once(work: Work) -> None:
        if work.events and not times:
            times.append(1)
            raise StaleHead(work.head.partition)
        commit(work)

    monkeypatch.setattr(graph.parts.store, "commit", stale_once)
    assert screen(graph, message("hello")).decision.level is Level.NONE
    assert times


def test_two_engines_on_one_database_lose_nothing(build: Callable[..., Nightlight]) -> None:
    one, two = build(), build()
    events = [message(f"hello {n}", channel={"id": f"talk-{n % 3}", "kind": "game"}) for n in range(60)]
    results: list[list[Answer | NightlightError]] = [[], []]

    def send(graph: Nightlight, slot: int) -> None:
        for n in range(slot, 60, 2):
            results[slot].append(screen(graph, events[n]))

    threads = [threading.Thread(target=send, args=(graph, slot)) for slot, graph in enumerate((one, two))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(a, Answer) for part in results for a in part)
    assert set(one.database.history.live_decisions([e["id"] for e in events]).values()) == {1}
    assert one.database.pipeline.head("events").position == 60
    assert one.database.audit.verify().ok


# -- memory ------------------------------------------------------------------------------------------------------------------------


def test_a_word_split_over_messages_and_a_restart_is_seen(build: Callable[..., Nightlight]) -> None:
    first = build()
    whole = screen(first, message("dont tell your parents about us", channel={"id": "whole", "kind": "game"}))
    assert whole.decision.score > 0, "the phrase is a cue when written in one message, or this test proves nothing"
    screen(first, message("dont tell your par", channel={"id": "split", "kind": "game"}))
    first.close()
    split = screen(build(), message("ents about us", channel={"id": "split", "kind": "game"}))
    assert split.decision.score > 0


def test_risk_builds_up_over_a_restart(build: Callable[..., Nightlight]) -> None:
    lines = ["how old are you", "are you home alone", "dont tell your parents", "what's your snap, lets talk there", "send me a pic of you"]
    graph = build()
    for line in lines[:3]:
        screen(graph, message(line))
    graph.close()
    graph = build()
    last = [screen(graph, message(line)) for line in lines[3:]][-1]
    assert last.decision.level is Level.HIGH
    assert Harm.GROOMING in last.decision.harms


def test_one_approach_to_many_children_reaches_the_account_by_the_second_hop(graph: Nightlight) -> None:
    for n in range(6):
        child = CHILD | {"account": f"kid{n}"}
        lines = ("how old are you", "are you home alone", "dont tell your parents")
        for line in lines:
            screen(graph, message(line, targets=[child], channel={"id": f"talk-{n}", "kind": "game"}))
    graph.engine.stop()
    account = graph.pseudonymiser("account", "grown")
    summary = graph.database.pipeline.summaries([account])[account]
    assert summary.values["grooming.minors_approached"] >= 3
    assert summary.version >= 1
    assert graph.database.pipeline.pending_facts(10) == []
    subjects = {subject.kind for case in graph.database.cases.cases() for subject in case.subjects}
    assert "account" in subjects, "an account's own risk opens a case, or adds to the one about it"


class Forgets:
    """The grooming detector, broken where it folds facts about one account."""

    def __init__(self, inner: Any, account: str) -> None:
        self._inner, self._account = inner, account
        self.card, self.state_type = inner.card, inner.state_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def absorb(self, state: Any, fact: Any) -> Any:
        if fact.key.id == self._account:
            raise ValueError
        return self._inner.absorb(state, fact)


def approach(graph: Nightlight, account: str, children: int = 4) -> None:
    for n in range(children):
        for line in ("how old are you", "are you home alone", "dont tell your parents"):
            there = {"actor": ADULT | {"account": account}, "targets": [CHILD | {"account": f"kid{n}"}]}
            screen(graph, message(line, channel={"id": f"{account}-{n}", "kind": "game"}, **there))


def test_a_fact_that_cannot_be_folded_is_looked_at_by_a_person_and_stops_no_other(build: Callable[..., Nightlight]) -> None:
    probe = build()
    broken, fine = (probe.pseudonymiser("account", name) for name in ("broken", "fine"))
    probe.close()
    detectors = dict(discover().detectors)
    detectors["grooming"] = Forgets(detectors["grooming"], broken)
    graph = build(detectors=detectors)
    approach(graph, "broken")
    approach(graph, "fine")
    graph.engine.stop()
    assert graph.database.pipeline.pending_facts(10) == []
    assert graph.database.pipeline.summaries([broken, fine]).keys() == {fine}
    failures = [case for case in graph.database.cases.cases() if case.queue == "failures"]
    assert {case.subject.id for case in failures} == {broken}


def test_an_event_that_does_not_open_stops_no_fact_of_others(build: Callable[..., Nightlight]) -> None:
    import sqlite3

    graph = build()
    graph.second_hop.run, run = lambda: 0, graph.second_hop.run  # type: ignore[method-assign]
    graph.engine._second_hop = lambda: 0
    approach(graph, "one")
    approach(graph, "two")
    one = graph.pseudonymiser("account", "one")
    with sqlite3.connect(graph.home / "nightlight.db") as database:
        database.execute("UPDATE events SET sealed = x'00' WHERE actor = ?", (one,))
    database.close()
    while run():
        pass
    assert graph.database.pipeline.pending_facts(10) == []
    two = graph.pseudonymiser("account", "two")
    assert graph.database.pipeline.summaries([two])[two].values["grooming.minors_approached"] >= 3
    assert any(case.queue == "failures" and case.subject.id == one for case in graph.database.cases.cases())


def test_an_event_id_that_looks_like_a_late_decision_harms_nothing(graph: Nightlight) -> None:
    for n in range(1, 30):
        screen(graph, message("hello", id=f"boom#{n}", channel={"id": "calm", "kind": "game"}))
    for n in range(4):
        there = {"targets": [CHILD | {"account": f"kid{n}"}], "channel": {"id": f"b{n}", "kind": "game"}}
        screen(graph, message(EXTORTION, id="boom" if n == 0 else f"boom{n}", **there))
    graph.engine.stop()
    assert graph.engine.hop_problem is None
    assert graph.database.pipeline.pending_facts(10) == []


def test_the_one_who_harms_is_limited_whoever_spoke_or_reported_first(graph: Nightlight) -> None:
    young = {"account": "young", "age_band": "10-12", "assurance": "self_declared", "place": "GB"}
    report = message("", kind="user_report", category="threatened", actor=ADULT, targets=[young]) | {"text": "he is mean"}
    screen(graph, report)
    for line in ("how old are you? where do you live?", "what's your snapchat?"):
        screen(graph, message(line, actor=young, targets=[ADULT]))
    answer = screen(graph, message(EXTORTION, targets=[young]))
    limits = [a for a in answer.decision.actions if isinstance(a, LimitContact)]
    assert limits
    assert all(limit.account in (None, "grown") for limit in limits)
    assert answer.for_sender.messages == (), "the one who threatens is shown nothing"
    assert answer.for_recipients[0].messages
    bound = graph.database.pipeline.limits([graph.pseudonymiser("account", name) for name in ("grown", "young")], NOW)
    assert set(bound) == {graph.pseudonymiser("account", "grown")}
    case = max(graph.database.cases.cases(), key=lambda case: case.level.rank)
    assert (case.actor, case.protects) == tuple(graph.pseudonymiser("account", name) for name in ("grown", "young"))


def test_in_a_group_the_second_offender_is_limited_and_every_child_warned(graph: Nightlight) -> None:
    kids = [CHILD | {"account": name} for name in ("kid1", "kid2")]
    room = {"id": "room", "kind": "game"}
    for name in ("one", "two"):
        answer = screen(graph, message(EXTORTION, actor=ADULT | {"account": name}, targets=kids, channel=room))
        assert any(isinstance(a, LimitContact) for a in answer.decision.actions), name
        assert all(r.messages for r in answer.for_recipients), name
    bound = graph.database.pipeline.limits([graph.pseudonymiser("account", name) for name in ("one", "two")], NOW)
    assert len(bound) == 2


def test_a_second_childs_danger_is_news_of_its_own(graph: Nightlight) -> None:
    kids = [CHILD | {"account": name} for name in ("kid1", "kid2")]
    room = {"id": "room", "kind": "game"}
    screen(graph, message("i want to kill myself tonight", actor=kids[0], targets=[kids[1], ADULT], channel=room))
    second = screen(graph, message("i will kill you tomorrow", targets=[kids[1]], channel=room))
    assert second.for_recipients[0].messages == ("help.now",)
    assert second.for_sender.messages == ()
    cases = [case for case in graph.database.cases.cases() if case.queue == "immediate"]
    assert {(case.actor is None, case.protects) for case in cases} == {
        (True, graph.pseudonymiser("account", "kid1")),
        (False, graph.pseudonymiser("account", "kid2")),
    }


def test_a_limit_about_to_end_swallows_no_new_one(graph: Nightlight, clock: FixedClock) -> None:
    screen(graph, message(EXTORTION))
    clock.advance(timedelta(hours=23, minutes=55))
    other = {"targets": [CHILD | {"account": "other-kid"}], "channel": {"id": "else", "kind": "game"}, "at": clock.now().isoformat()}
    screen(graph, message(EXTORTION, **other))
    clock.advance(timedelta(minutes=10))
    later = screen(graph, message("hi", **(other | {"at": clock.now().isoformat()})))
    assert any(isinstance(a, HoldContent) for a in later.decision.actions)


# -- the gate ----------------------------------------------------------------------------------------------------------------------


def test_where_scanning_is_not_permitted_nothing_is_looked_at_or_kept(graph: Nightlight) -> None:
    nowhere = [ADULT | {"place": "DE"}, CHILD | {"place": "DE"}]
    answer = screen(graph, message(EXTORTION, actor=nowhere[0], targets=[nowhere[1]], channel={"id": "dm", "kind": "direct"}))
    assert answer.decision.level is Level.NONE
    assert answer.for_recipients[0].codes == ("deliver",)
    assert any("content" in cell and "permitted" not in cell for cell in answer.decision.gate)
    stored = graph.database.pipeline.event(answer.event_id)
    assert stored is not None
    opened = graph.sealer.open(stored.sealed, f"event:{stored.id}")
    assert b"gift card" not in opened


@pytest.mark.parametrize(
    "kind",
    [
        {"kind": "link", "url": "https://example.org/quibblesnatch"},
        {"kind": "media", "fingerprints": [{"kind": "sha256", "value": "ab" * 32}]},
        {"kind": "stream_frame", "fingerprints": [{"kind": "sha256", "value": "ab" * 32}]},
        {"kind": "profile_change", "field": "bio", "text": "quibblesnatch"},
        {"kind": "search", "text": "quibblesnatch"},
    ],
    ids=lambda kind: str(kind["kind"]),
)
def test_no_kind_of_content_is_kept_where_it_may_not_be_read(graph: Nightlight, kind: Wire) -> None:
    there = {"actor": ADULT | {"place": "DE"}, "targets": [CHILD | {"place": "DE"}], "channel": {"id": "dm", "kind": "direct"}}
    base = {"id": f"kept-{kind['kind']}", "at": NOW.isoformat(), **there}
    answer = screen(graph, base | kind)
    stored = graph.database.pipeline.event(answer.event_id)
    assert stored is not None
    opened = graph.sealer.open(stored.sealed, f"event:{stored.id}")
    assert b"quibblesnatch" not in opened
    assert b"abab" not in opened
    assert graph.events.decision(answer.event_id) == answer, "what is left can be read back"


def test_an_upload_is_not_even_decoded_where_content_may_not_be_read(graph: Nightlight) -> None:
    graph.banks.create(Bank(name="known"), "test")
    graph.banks.add_bytes("known", picture(), "test")
    there = {"actor": ADULT | {"place": "DE"}, "targets": [CHILD | {"place": "DE"}], "channel": {"id": "dm", "kind": "direct"}}
    decoded: list[bytes] = []
    graph.media._screen = decoded.append  # type: ignore[assignment,return-value]
    answer = graph.media.screen(msgspec.json.encode(upload(**there)), picture()).result(30)
    assert decoded == []
    assert tags(answer) == {"allow"}


def test_a_tampered_tail_stops_nobody(graph: Nightlight) -> None:
    import sqlite3

    screen(graph, message("hello there"))
    with sqlite3.connect(graph.home / "nightlight.db") as database:
        database.execute("UPDATE tails SET sealed = x'00'")
    database.close()
    bad, good = screen_all(graph, [message("how are you"), message("hi", channel={"id": "other", "kind": "game"})])
    assert isinstance(bad, Answer)
    assert isinstance(good, Answer)
    assert bad.decision.failures == ("tail",)
    assert good.decision.failures == ()


def test_an_id_that_is_taken_is_refused_alone(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = graph.parts.store.commit

    def taken(work: Work) -> None:
        if any(e.id == "taken" for e in work.events):
            raise Conflict("this event id is taken", field="id")
        commit(work)

    monkeypatch.setattr(graph.parts.store, "commit", taken)
    answers = screen_all(graph, [message("one"), message("two", id="taken"), message("three")])
    assert [type(a) for a in answers] == [Answer, Conflict, Answer]


def test_what_a_user_reports_may_be_read_there_all_the_same(graph: Nightlight) -> None:
    report = message(
        "he said he would hurt me",
        kind="user_report",
        category="in_danger",
        actor=CHILD | {"place": "DE"},
        targets=[ADULT | {"place": "DE"}],
    )
    answer = screen(graph, report)
    assert any(isinstance(a, OpenCase) and a.queue == "immediate" for a in answer.decision.actions)


# -- policy in the pipeline --------------------------------------------------------------------------------------------------------


def test_a_limit_binds_the_next_contact_with_a_minor_until_a_person_lifts_it(graph: Nightlight, clock: FixedClock) -> None:
    screen(graph, message(EXTORTION))
    bound = screen(graph, message("hi", channel={"id": "elsewhere", "kind": "game"}, targets=[CHILD | {"account": "other-kid"}]))
    assert any(isinstance(a, HoldContent) for a in bound.decision.actions)
    assert "withhold" in bound.for_recipients[0].codes
    graph.database.limits.lift(graph.pseudonymiser("account", "grown"), "lead", "looked at it: a bad joke between cousins")
    free = screen(graph, message("hi", channel={"id": "elsewhere", "kind": "game"}, targets=[CHILD | {"account": "other-kid"}]))
    assert not any(isinstance(a, HoldContent) for a in free.decision.actions)


def test_a_limit_ends_by_itself_after_a_day(graph: Nightlight, clock: FixedClock) -> None:
    screen(graph, message(EXTORTION))
    clock.advance(timedelta(hours=24, seconds=1))
    later = {"at": clock.now().isoformat(), "channel": {"id": "elsewhere", "kind": "game"}, "targets": [CHILD | {"account": "other-kid"}]}
    assert not any(isinstance(a, HoldContent) for a in screen(graph, message("hi", **later)).decision.actions)


SHADOW = """
name = "stricter"
[[rule]]
id = "hold-all-risk"
on = { harms = ["grooming", "sextortion"], level = "low" }
actions = [{ action = "hold_content" }]
"""


def test_a_shadow_policy_decides_beside_and_changes_nothing(graph: Nightlight) -> None:
    graph.database.policies.activate(SHADOW, Mode.SHADOW, "test", name="stricter")
    assert graph.policies.refresh()
    answer = screen(graph, message(EXTORTION))
    assert "hold_content" not in tags(answer)
    live, shadow = next(graph.database.history.decided_by_both())
    assert (live.event_id, shadow.event_id) == (answer.event_id, answer.event_id)
    assert shadow.mode is Mode.SHADOW
    assert any(isinstance(a, HoldContent) for a in shadow.actions)


def test_replay_judges_stored_events_again(graph: Nightlight) -> None:
    from nightlight.app.replaying import judged_from_store
    from nightlight.policy import Policy, load_rules, replay

    for event in (message("hello"), message(EXTORTION), message("hello again")):
        screen(graph, event)
    graph.engine.stop()
    same = replay(judged_from_store(graph), graph.policies.live, graph.policies.live)
    assert (same.events, same.changed) == (3, 0)
    other = replay(judged_from_store(graph), graph.policies.live, Policy(load_rules(SHADOW, "shadow.toml")))
    assert other.changed >= 1
    assert any(change.name.startswith("hold_content") and change.added >= 1 for change in other.actions)


def test_replay_gives_the_very_decisions_that_were_given(graph: Nightlight) -> None:
    from nightlight.app.replaying import judged_from_store

    answers = {}
    for text in ("hello", "how old are you", EXTORTION, "hello again"):
        answer = screen(graph, message(text))
        answers[answer.event_id] = graph.database.pipeline.decided([answer.event_id])[answer.event_id].decision
    graph.engine.stop()
    for judged in judged_from_store(graph):
        again, given = graph.policies.live.judge(judged), answers[judged.event.id]
        assert (again.actions, again.level, again.harms) == (given.actions, given.level, given.harms)


# -- secrets -----------------------------------------------------------------------------------------------------------------------


def test_no_content_and_no_name_is_in_the_clear_anywhere_on_disk_or_in_logs(
    build: Callable[..., Nightlight], tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    graph = build()
    marks = ("grown", "talk-1-mark", SECRET_WORDS)
    for text in (f"{SECRET_WORDS} {EXTORTION}", f"hello {SECRET_WORDS}"):
        screen(graph, message(text, channel={"id": "talk-1-mark", "kind": "game"}))
    structlog.get_logger("test").info("a line, so that the capture is known to work")
    found = b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())
    assert b"CREATE TABLE" in found, "the database was searched"
    captured = capsys.readouterr()
    logged = captured.out + captured.err + caplog.text
    assert "a line" in logged
    for mark in marks:
        assert mark.encode() not in found, mark
        assert mark not in logged, mark


def test_a_high_decision_preserves_its_event_past_retention(graph: Nightlight, clock: FixedClock) -> None:
    friend = CHILD | {"account": "friend"}
    kept, gone = screen(graph, message(EXTORTION)), screen(graph, message("hello", actor=friend, channel={"id": "calm", "kind": "game"}))
    assert any(isinstance(a, Preserve) for a in kept.decision.actions)
    clock.advance(timedelta(days=31))
    graph.database.lifecycle.retention(clock.now())
    assert graph.database.pipeline.event(kept.event_id) is not None
    assert graph.database.pipeline.event(gone.event_id) is None
    assert graph.events.decision(gone.event_id) is None
    assert graph.database.audit.verify().ok


def test_the_clock_of_a_service_may_step_back(graph: Nightlight) -> None:
    for seconds in (0, -3000, 50, -1):
        at = (NOW + timedelta(seconds=seconds)).isoformat()
        assert isinstance(screen(graph, message("how old are you", at=at)), Answer)
