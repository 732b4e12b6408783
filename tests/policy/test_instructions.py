from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.decision import (
    SAFE,
    Action,
    AddFriction,
    Allow,
    BlockContent,
    Decision,
    HoldContent,
    LimitContact,
    LimitReach,
    Nudge,
    SlowDown,
    To,
)
from nightlight.core.event import EventBase, Search
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Level
from nightlight.policy import Policy, default_rules, instruct
from tests.policy.make import ADULT, ALL, CHILD, NOW, UNKNOWN, assessment, message
from tests.strategies import events


def decided(*actions: Action) -> Decision:
    return Decision(event_id="e1", at=NOW, actions=actions, harms=(Harm.GROOMING,), level=Level.HIGH, reasons=("Plim",), policy="p")


@pytest.mark.parametrize(
    ("actions", "sender", "recipient"),
    [
        ((Allow(),), ("accept",), ("deliver",)),
        ((HoldContent(),), ("accept",), ("withhold",)),
        ((BlockContent(),), ("do_not_send",), ("withhold",)),
        ((Allow(), LimitContact()), ("accept", "limited"), ("deliver",)),
        ((Allow(), LimitContact(account="child")), ("accept",), ("deliver", "limited")),
        ((Allow(), LimitReach(protects=("child",))), ("accept", "reach_limited"), ("deliver",)),
        ((Allow(), LimitContact(), LimitReach(account="child")), ("accept", "limited"), ("deliver", "reach_limited")),
        ((Allow(), SlowDown()), ("accept", "rate_limited"), ("deliver",)),
        # What is to begin later shows in no answer.
        ((Allow(), AddFriction(protects="child")), ("accept",), ("deliver",)),
    ],
)
def test_codes(actions: tuple[Action, ...], sender: tuple[str, ...], recipient: tuple[str, ...]) -> None:
    mine, (theirs,) = instruct(message(), decided(*actions))
    assert (mine.account, mine.codes) == ("adult", sender)
    assert (theirs.account, theirs.codes) == ("child", recipient)


def test_a_held_message_looks_to_its_sender_like_one_that_went_out() -> None:
    sent, _ = instruct(message(), decided(Allow()))
    held, _ = instruct(message(), decided(HoldContent(), Nudge(to=To.CHILDREN, message="grooming.high.child", account="child")))
    assert sent == held


def test_nudges_reach_whom_they_are_for() -> None:
    event = message(ADULT, CHILD, UNKNOWN, ADULT)
    event = msgspec.structs.replace(event, targets=(CHILD, UNKNOWN, msgspec.structs.replace(ADULT, account="other")))

    def shown(*nudges: Nudge) -> dict[str, tuple[str, ...]]:
        sender, others = instruct(event, decided(Allow(), *nudges))
        return {i.account: i.messages for i in (sender, *others) if i.messages}

    assert shown(Nudge(to=To.SENDER, message="m")) == {"adult": ("m",)}
    assert shown(Nudge(to=To.CHILDREN, message="m")) == {"child": ("m",), "somebody": ("m",)}
    assert shown(Nudge(to=To.RECIPIENTS, message="m")) == {"child": ("m",), "somebody": ("m",), "other": ("m",)}
    assert shown(Nudge(to=To.CHILDREN, message="m", account="child")) == {"child": ("m",)}
    assert shown(Nudge(to=To.CHILDREN, message="m", account="adult")) == {"adult": ("m",)}
    first, second = Nudge(to=To.RECIPIENTS, message="urgent"), Nudge(to=To.CHILDREN, message="kind")
    assert shown(first, second)["child"] == ("urgent",)


def test_a_message_comes_with_how_it_may_be_shown_and_a_limit_with_whose_contacts() -> None:
    nudge = Nudge(to=To.CHILDREN, message="m", account="child")
    sender, (child,) = instruct(message(), decided(Allow(), nudge, LimitReach(protects=("child", "other"))))
    assert child.show == SAFE and child.shields == ()
    assert sender.show is None and sender.shields == ("child", "other")
    wire = json.loads(msgspec.json.encode(child))
    told = {"private": True, "outside_conversation": True, "quick_exit": True, "choose_adult": True}
    told |= {"lock_screen": False, "email": False, "screen_sharing": False, "others_present": False}
    assert wire["show"] == told, "said in full, so that a service need not know what is left out"


def test_an_event_with_no_targets_or_with_its_own_actor_among_them() -> None:
    assert instruct(Search(id="s", at=NOW, actor=CHILD, text="plim"), decided(Allow()))[1] == ()
    assert [i.account for i in instruct(message(ADULT, ADULT, CHILD, CHILD), decided(Allow()))[1]] == ["child"]


DEFAULT = Policy(default_rules())
CODES = {"accept", "do_not_send", "deliver", "withhold", "limited", "reach_limited", "rate_limited"}


@settings(deadline=None)
@given(events(), st.lists(st.tuples(st.sampled_from(Harm), st.sampled_from(Level)), max_size=3), st.booleans(), st.data())
def test_nothing_tells_the_one_it_is_about(event: EventBase, risks: list[tuple[Harm, Level]], limited: bool, data: st.DataObject) -> None:
    everybody = [event.actor.account, *(p.account for p in event.targets)]
    about = data.draw(st.sampled_from(everybody))
    protects = data.draw(st.sampled_from([None, *[a for a in everybody if a != about]]))
    moved = [(None, assessment(h, level, actor=about, protects=protects, reasons=(("e1", "Secretly plimmed"),))) for h, level in risks]
    decision = DEFAULT.decide(event, Features(), ALL, moved, limited=limited, now=NOW)
    sender, others = instruct(event, decision)
    told = [sender, *others]
    assert [i.account for i in told] == list(dict.fromkeys(everybody))
    for instruction in told:
        assert set(instruction.codes) <= CODES
        assert len(instruction.messages) <= 1
        words = json.dumps(msgspec.to_builtins(msgspec.structs.replace(instruction, account="", messages=())))
        assert not any(harm.value in words for harm in Harm) and "plimmed" not in words
        # Deterrence and an answer to a report are the only words that the one it is about may ever see.
        if instruction.account == about and event.kind != "user_report" and not any(h is Harm.SEARCH_INTENT for h, _ in risks):
            assert instruction.messages == ()
