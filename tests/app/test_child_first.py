"""What happens to the child first: the whole chain, from an event to what is shown, limited, slowed and put before a person.

The levels of a test say how grave its plain script is taken to be, so that no test rests on the weight of one cue.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nightlight.actions import plan
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.replaying import judged_from_store
from nightlight.app.settings import EndpointSettings, Settings
from nightlight.core.case import Finding, Verdict
from nightlight.core.clock import FixedClock
from nightlight.core.decision import SAFE, Decision, Display, Nudge
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import ContactLimit, LimitKind
from nightlight.core.services import Answer
from tests.app.conftest import ADULT, CHILD, EXTORTION, NOW, Wire, message

HOOK = {"url": "http://127.0.0.1:9/", "secret": "0123456789abcdef0123"}
ENDPOINTS = {name: EndpointSettings(**HOOK) for name in ("messages", "lead", "safety")}
ONLY_ELEVATED: Mapping[Level, float] = {Level.LOW: 0.05, Level.ELEVATED: 0.1, Level.HIGH: 1.0}
ALL_HIGH: Mapping[Level, float] = {Level.LOW: 0.05, Level.ELEVATED: 0.08, Level.HIGH: 0.1}

THREATS = (EXTORTION, "pay me 100 in gift cards or everyone sees it", "i have your followers list, i will send it to your family")
APPROACH = (
    "how old are you? are your parents home?",
    "don't tell your mum about me, it's our secret",
    "send me a pic of you",
    "lets meet at the park alone",
)
FRIEND = CHILD | {"account": "friend"}


def settings(levels: Mapping[Level, float]) -> Settings:
    return Settings(endpoints=ENDPOINTS, levels=dict(levels))


@pytest.fixture
def elevated(build: Callable[..., Nightlight]) -> Nightlight:
    return build(settings=settings(ONLY_ELEVATED))


@pytest.fixture
def high(build: Callable[..., Nightlight]) -> Nightlight:
    return build(settings=settings(ALL_HIGH))


def send(graph: Nightlight, event: Wire, **more: Any) -> Answer:
    event = event | {"at": graph.clock.now().isoformat()} | more
    answer = graph.events.submit(graph.events.decode(msgspec.json.encode(event))).result(30)
    graph.second_hop.run()
    return answer


def say(graph: Nightlight, *lines: str, **more: Any) -> Answer:
    return [send(graph, message(line, **more)) for line in lines][-1]


def shown(graph: Nightlight) -> list[dict[str, Any]]:
    """Messages that are to be shown, as they leave for the service."""
    due = graph.database.outbox.due(graph.clock.now(), 500)
    return [json.loads(d.body) for d in due if d.endpoint == "messages"]


def limits(graph: Nightlight, account: str = "grown") -> dict[LimitKind, ContactLimit]:
    """Those that were set and not lifted, whether or not they have begun."""
    name = graph.pseudonymiser("account", account)
    return {limit.kind: limit for limit in graph.database.limits.in_force() if limit.account == name}


def queues(graph: Nightlight) -> list[str]:
    return sorted(case.queue for case in graph.database.cases.cases() if case.queue in ("conversations", "safeguarding"))


# -- the child -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("script", "harm"), [(THREATS[:1], Harm.SEXTORTION), (APPROACH, Harm.GROOMING)])
def test_the_child_is_shown_one_kind_word_privately_and_the_other_side_nothing(
    elevated: Nightlight, script: tuple[str, ...], harm: Harm
) -> None:
    answers = [say(elevated, line) for line in script]
    assert any(harm in a.decision.harms for a in answers)
    told = shown(elevated)
    assert {(t["account"], t["message"]) for t in told} <= {("kid", f"{h}.elevated.child") for h in ("grooming", "sextortion")}
    assert [t["message"] for t in told].count(f"{harm.value}.elevated.child") == 1, "once, whatever comes after"
    assert all(msgspec.convert(t["show"], Display) == SAFE for t in told)
    in_answers = [(r.account, key, r.show) for a in answers for r in a.for_recipients for key in r.messages]
    assert in_answers == [("kid", t["message"], SAFE) for t in told], "the answer and the webhook say the same"
    for answer in answers:
        assert answer.for_sender.messages == () and answer.for_sender.show is None
        assert set(answer.for_sender.codes) <= {"accept", "reach_limited"}
        assert answer.for_recipients[0].codes == ("deliver",)
    assert elevated.database.cases.cases() == [], "only high risk becomes a case"


def test_the_child_is_warned_where_their_own_answer_moved_the_risk_and_the_same_event_says_the_same(elevated: Nightlight) -> None:
    report = message("", kind="user_report", category="threatened", actor=CHILD, targets=[ADULT]) | {"text": "he says he will show it"}
    first, again = send(elevated, report), send(elevated, report)
    assert first == again
    assert first.for_sender.messages and first.for_sender.show == SAFE
    assert first.for_recipients[0].messages == ()
    assert [t["account"] for t in shown(elevated)] == ["kid"]


def test_helplines_come_with_every_message_that_offers_an_adult(build: Callable[..., Nightlight]) -> None:
    line = {"name": "Sample line", "contact": "https://help.example", "place": "GB"}
    graph = build(settings=msgspec.convert({"levels": ONLY_ELEVATED, "helplines": [line]}, Settings))
    answer = say(graph, EXTORTION)
    assert [h.name for h in answer.for_recipients[0].helplines] == ["Sample line"]
    assert answer.for_sender.helplines == ()


# -- extortion: reach first ------------------------------------------------------------------------------------------------------------


def test_extortion_limits_reach_before_anything_is_delivered_to_a_contact(elevated: Nightlight, clock: FixedClock) -> None:
    first = say(elevated, EXTORTION)
    assert first.decision.level is Level.ELEVATED
    assert "reach_limited" in first.for_sender.codes and first.for_sender.shields == ("kid",)
    assert LimitKind.CONTACT not in limits(elevated)
    reach = limits(elevated)[LimitKind.REACH]
    assert reach.protects == (elevated.pseudonymiser("account", "kid"),)
    held = {
        "a friend who is a contact by now": {"targets": [FRIEND], "relation": "contact"},
        "a new account that may be a minor's": {"targets": [{"account": "new", "place": "GB"}], "relation": "stranger"},
        "a room whose audience is not named": {"targets": []},
        "a room in which the child is not alone": {"targets": [CHILD, FRIEND]},
    }
    for n, (name, there) in enumerate(held.items()):
        answer = say(elevated, "look at this", channel={"id": f"other-{n}", "kind": "game"}, **there)
        assert all(r.codes == ("withhold",) for r in answer.for_recipients), name
        assert "hold_content" in {a.__struct_config__.tag for a in answer.decision.actions}, name
        assert set(answer.for_sender.codes) == {"accept"}, "to its sender it looks like any other"
    request = message("", kind="contact_request", targets=[FRIEND], channel={"id": "asks", "kind": "direct"})
    del request["text"]
    assert send(elevated, request).for_recipients[0].codes == ("withhold",)
    assert {case.queue for case in elevated.database.cases.cases()} == {"held"}, "what is held, somebody looks at"

    assert say(elevated, "hello").for_recipients[0].codes == ("deliver",), "what the child gets goes on, so that nothing is noticed"
    grown_up = {"account": "other-adult", "age_band": "18+", "assurance": "verified", "place": "GB"}
    away = {"channel": {"id": "adults", "kind": "game"}}
    assert say(elevated, "hello", targets=[grown_up], **away).for_recipients[0].codes == ("deliver",)
    assert say(elevated, "hello", actor=ADULT | {"account": "somebody"}, targets=[FRIEND], **away).for_recipients[0].codes == ("deliver",)

    decided = {d.event.id: (elevated.policies.live.judge(d).actions, d.reach) for d in judged_from_store(elevated)}
    assert any(reach for _, reach in decided.values())
    for event, (actions, _) in decided.items():
        stored = elevated.database.pipeline.decided([event])[event].decision
        assert actions == stored.actions, "judged again from the store, it is the same decision"


def test_a_limit_on_reach_pages_a_lead_lapses_and_is_lifted_by_a_person(elevated: Nightlight, clock: FixedClock) -> None:
    def to_a_friend() -> tuple[str, ...]:
        return say(elevated, "hi", targets=[FRIEND], channel={"id": "friend", "kind": "game"}).for_recipients[0].codes

    def pages() -> list[str]:
        return [json.loads(d.body)["type"] for d in elevated.database.outbox.due(clock.now(), 500) if d.endpoint == "lead"]

    say(elevated, EXTORTION)
    assert to_a_friend() == ("withhold",) and pages() == []
    clock.advance(timedelta(hours=22))
    assert pages() == ["reach_limit.lapsing"]
    say(elevated, THREATS[1])
    clock.advance(timedelta(hours=2))
    assert to_a_friend() == ("deliver",), "a machine does not prolong its own limit over the same matter"

    say(elevated, EXTORTION, channel={"id": "talk-2", "kind": "game"}, targets=[CHILD | {"account": "kid-2"}])
    assert to_a_friend() == ("withhold",)
    elevated.database.limits.lift(elevated.pseudonymiser("account", "grown"), "lead", "a joke between cousins")
    assert to_a_friend() == ("deliver",)
    clock.advance(timedelta(hours=23))
    assert "reach_limit.lapsing" not in pages()[1:], "whoever looked is not paged again"


def test_another_child_of_the_same_account_is_kept_out_of_reach_too(elevated: Nightlight) -> None:
    say(elevated, EXTORTION)
    there = {"channel": {"id": "talk-2", "kind": "game"}, "targets": [FRIEND]}
    assert say(elevated, "hello", **there).for_recipients[0].codes == ("withhold",), "a contact, as far as anybody knows"
    second = say(elevated, *THREATS, **there)
    protects = {child for x in elevated.database.limits.in_force() if x.kind is LimitKind.REACH for child in x.protects}
    assert protects == {elevated.pseudonymiser("account", name) for name in ("kid", "friend")}
    assert second.for_recipients[0].account == "friend"


def test_every_child_that_one_line_endangers_is_named_and_an_erased_one_no_more(elevated: Nightlight) -> None:
    answer = say(elevated, EXTORTION, targets=[CHILD, FRIEND])
    assert answer.for_sender.shields == ("kid", "friend")
    names = tuple(elevated.pseudonymiser("account", name) for name in ("kid", "friend"))
    assert limits(elevated)[LimitKind.REACH].protects == names
    elevated.database.lifecycle.erase("kid", "cli")
    assert limits(elevated)[LimitKind.REACH].protects == ("erased", names[1])


# -- friction --------------------------------------------------------------------------------------------------------------------------

TELLING = {
    "goes along": "ok what do you want me to do",
    "refuses": "no. stop. leave me alone",
    "says that somebody is told": "i am telling my mum right now",
}


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Callable[[], tuple[Nightlight, FixedClock]]]:
    """The same service over again, with the same keys and nothing that happened yet."""
    built: list[Nightlight] = []

    def make() -> tuple[Nightlight, FixedClock]:
        home, clock = tmp_path / f"life-{len(built)}", FixedClock(NOW)
        if built:
            home.mkdir(mode=0o700)
            shutil.copy2(built[0].home / "keys.json", home / "keys.json")
        built.append(bootstrap(home, clock=clock, settings=settings(ONLY_ELEVATED), start=True))
        return built[-1], clock

    yield make
    for graph in built:
        graph.close()


def test_when_friction_begins_tells_nothing_of_what_the_child_did(lives: Callable[[], tuple[Nightlight, FixedClock]]) -> None:
    begun = set()
    for minutes, words in enumerate(TELLING.values()):
        graph, clock = lives()
        send(graph, message("hi"))
        answer = say(graph, words, actor=CHILD, targets=[ADULT])
        clock.advance(timedelta(minutes=7 * minutes))
        if minutes == 1:  # here the child blocks as well, and here they report
            blocked = message("", kind="contact_request", outcome="blocked")
            del blocked["text"]
            send(graph, blocked)
            send(graph, message("", kind="user_report", category="threatened", actor=CHILD, targets=[ADULT]))
        answer = say(graph, EXTORTION)
        assert "rate_limited" not in answer.for_sender.codes
        since = limits(graph)[LimitKind.FRICTION].since
        assert since is not None and timedelta() < since - NOW < timedelta(hours=2)
        begun.add(since)
    assert len(begun) == 1


def test_friction_looks_like_any_limit_of_rate_to_whomever_one_writes(elevated: Nightlight, clock: FixedClock) -> None:
    say(elevated, *APPROACH)
    friction = limits(elevated)[LimitKind.FRICTION]
    assert friction.since is not None and friction.until - friction.since == timedelta(hours=24)
    grown_up = {"account": "other-adult", "age_band": "18+", "assurance": "verified", "place": "GB"}
    there = {"targets": [grown_up], "channel": {"id": "adults", "kind": "game"}}

    def codes(**more: Any) -> tuple[str, ...]:
        answer = say(elevated, "hello", **more)
        assert answer.for_recipients[0].codes == ("deliver",)
        assert not {"rate_limited"} & set(answer.for_recipients[0].codes)
        return answer.for_sender.codes

    assert codes() == codes(**there) == ("accept",)
    clock.advance(friction.since - clock.now())
    assert codes() == codes(**there) == ("accept", "rate_limited")
    assert codes(actor=CHILD, targets=[ADULT]) == ("accept",), "the child is never slowed"
    clock.advance(timedelta(hours=24))
    assert codes(**there) == ("accept",)


# -- high risk, and who it is ----------------------------------------------------------------------------------------------------------


def test_high_risk_is_a_case_and_a_limit_at_once_that_is_enforced(high: Nightlight, clock: FixedClock) -> None:
    answer = say(high, EXTORTION)
    assert answer.decision.level is Level.HIGH
    assert queues(high) == ["conversations"]
    assert {"limited", "reach_limited"} <= set(answer.for_sender.codes)
    assert [t["message"] for t in shown(high)] == ["sextortion.high.child"]
    bound = limits(high)
    assert bound[LimitKind.CONTACT].until == bound[LimitKind.REACH].until == NOW + timedelta(hours=24)
    assert say(high, "hello").for_recipients[0].codes == ("withhold",), "now the child is kept from it too"


PEER = {"account": "grown", "age_band": "13-15", "place": "GB"}


AGES: Mapping[str, tuple[Wire, str]] = {
    "verified": (PEER | {"assurance": "verified"}, "safeguarding"),
    "guardian": (PEER | {"assurance": "guardian"}, "safeguarding"),
    "estimated": (PEER | {"assurance": "estimated"}, "safeguarding"),
    "declared": (PEER | {"assurance": "self_declared"}, "conversations"),
    "inferred": (PEER | {"assurance": "inferred"}, "conversations"),
    "not-said": (PEER, "conversations"),
    "unknown": (PEER | {"age_band": "unknown", "assurance": "verified"}, "conversations"),
    "adult": (ADULT | {"assurance": "verified"}, "conversations"),
}


def test_peers_whose_age_is_assured_go_to_safeguarding_and_nobody_else(high: Nightlight) -> None:
    for name, (party, queue) in AGES.items():
        kid = CHILD | {"account": f"kid-of-{name}"}
        answer = say(high, *THREATS, actor=party | {"account": name}, targets=[kid], channel={"id": name, "kind": "game"})
        assert Harm.SEXTORTION in answer.decision.harms
        mine = high.pseudonymiser("account", name)
        assert {c.queue for c in high.database.cases.cases() if c.actor == mine} - {"held"} == {queue}, name
        # Where somebody was threatened the limit is the same for all.
        assert limits(high, name)[LimitKind.CONTACT].until == NOW + timedelta(hours=24), name
    told = {t["account"] for t in shown(high)}
    assert told == {f"kid-of-{name}" for name in AGES}, "nothing to who did it, before a person decided"


def test_without_coercion_a_peers_limit_is_gentler(high: Nightlight) -> None:
    for account, assurance, hours in (("young", "guardian", 6), ("grown", "self_declared", 24)):
        actor = PEER | {"account": account, "assurance": assurance}
        answers = [say(high, line, actor=actor, channel={"id": account, "kind": "game"}) for line in APPROACH]
        assert any(a.decision.level is Level.HIGH for a in answers)
        assert not any(Harm.SEXTORTION in a.decision.harms for a in answers)
        assert limits(high, account)[LimitKind.CONTACT].until == NOW + timedelta(hours=hours), account
    assert set(queues(high)) == {"conversations", "safeguarding"}


def test_a_peer_is_taught_once_a_person_has_confirmed_it(high: Nightlight) -> None:
    say(high, EXTORTION, actor=PEER | {"assurance": "guardian"})
    (judged,) = judged_from_store(high)
    case, young = high.database.cases.cases()[0], high.pseudonymiser("account", "grown")

    def nudges(finding: Finding, **party: str) -> tuple[list[Nudge], Decision]:
        verdict = Verdict(case=case.id, reviewer="ann", finding=finding, reason="looked", at=NOW)
        actor = msgspec.convert(msgspec.to_builtins(judged.event.actor) | party, type(judged.event.actor))
        event = msgspec.structs.replace(judged.event, actor=actor)
        decision = high.policies.live.judge(msgspec.structs.replace(judged, verdict=verdict, event=event))
        return [a for a in decision.actions if isinstance(a, Nudge)], decision

    found, decision = nudges(Finding.CONFIRMED)
    assert [(n.account, n.message, n.show) for n in found] == [(young, "safeguarding.education.peer", SAFE)]
    effects = plan(judged.event, decision, [m[1] for m in judged.moved], NOW, names={young: "grown"})
    assert [json.loads(out.body)["account"] for out in effects.outbox] == ["grown"]
    for finding in set(Finding) - {Finding.CONFIRMED}:
        assert nudges(finding)[0] == []
    assert nudges(Finding.CONFIRMED, age_band="18+")[0] == [], "an adult is not warned of it"
    assert nudges(Finding.CONFIRMED, assurance="self_declared")[0] == []


def test_who_is_endangered_and_endangers_another_has_both_cases_and_keeps_the_help(high: Nightlight) -> None:
    young = PEER | {"account": "young", "assurance": "guardian"}
    first = say(high, *THREATS, targets=[young])
    second = say(high, *THREATS, actor=young, channel={"id": "talk-2", "kind": "game"})
    third = say(high, "and now pay me 200 more or i post it today", targets=[young], at=NOW.isoformat())
    name = {who: high.pseudonymiser("account", who) for who in ("grown", "young", "kid")}
    found = {(c.queue, c.actor, c.protects) for c in high.database.cases.cases() if c.harm is Harm.SEXTORTION and c.protects}
    assert {("conversations", name["grown"], name["young"]), ("safeguarding", name["young"], name["kid"])} <= found
    assert first.decision.level is second.decision.level is third.decision.level is Level.HIGH
    assert {t["account"] for t in shown(high)} == {"young", "kid"}
    assert set(limits(high, "young")) >= {LimitKind.CONTACT} and set(limits(high, "grown")) >= {LimitKind.CONTACT}


def test_self_harm_goes_before_everything_else(high: Nightlight) -> None:
    answer = say(high, "i want to kill myself tonight", actor=CHILD, targets=[FRIEND])
    decision: Decision = answer.decision
    assert Harm.IMMEDIATE_DANGER in decision.harms
    assert [(c.queue, c.priority) for c in high.database.cases.cases()] == [("immediate", 0)]
    assert answer.for_sender.messages == ("help.now",) and answer.for_sender.show == SAFE
