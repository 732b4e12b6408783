"""What the counts remember for the live page."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from nightlight.app.passage import Admitted
from nightlight.app.stats import Stats, strongest_first, strongest_of
from nightlight.core.decision import Action, Allow, Decision, HoldContent, Instruction, Notify, OpenCase
from nightlight.core.event import Event
from nightlight.core.harm import Harm, Level
from nightlight.core.services import Answer
from tests.app.conftest import NOW, message


def decided(id: str, *actions: Action, level: Level = Level.HIGH) -> tuple[Admitted, Answer]:
    event = msgspec.json.decode(msgspec.json.encode(message("a line", id=id)), type=Event)
    decision = Decision(
        event_id=id,
        at=NOW + timedelta(seconds=3),
        actions=actions,
        harms=(Harm.GROOMING,),
        level=level,
        reasons=("a reason",),
        policy="default@0",
        detectors=("grooming 1.0.0",),
    )
    answer = Answer(event_id=id, for_sender=Instruction(account="a"), for_recipients=(), decision=decision)
    return Admitted(event=event, names={}, body_mac=b"", received_at=NOW), answer


def test_an_alert_tells_when_what_was_done_and_which_detector_found_it() -> None:
    stats = Stats(lambda: NOW)
    admitted, answer = decided("e1", Allow(), OpenCase(), Notify(endpoint="safety"), HoldContent())
    stats.record([admitted], [answer], 0.01)
    (alert,) = stats.live(open_cases=1, commits=1).alerts
    assert alert["at"] == (NOW + timedelta(seconds=3)).isoformat()
    assert alert["actions"] == ["hold_content", "open_case", "notify"]
    assert alert["detectors"] == ["grooming 1.0.0"]


@pytest.mark.parametrize(
    ("tags", "said", "kind"),
    [
        ({"allow"}, ["allow"], "allow"),
        ({"allow", "nudge"}, ["nudge"], "nudge"),
        ({"preserve", "allow", "block_content", "notify"}, ["block_content", "notify", "preserve"], "block_content"),
        ({"sanction_account", "allow"}, ["sanction_account"], "allow"),
        (set(), [], "allow"),
    ],
)
def test_the_strongest_action_comes_first_and_allow_only_alone(tags: set[str], said: list[str], kind: str) -> None:
    assert strongest_first(tags) == said
    assert strongest_of(tags) == kind


def test_the_history_has_each_whole_second_and_two_minutes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("nightlight.app.stats.time.monotonic", lambda: now[0])
    stats = Stats(lambda: NOW)
    pair = decided("e1", Allow(), level=Level.NONE)

    def send(at: float, count: int) -> None:
        now[0] = at
        stats.record([pair[0]] * count, [pair[1]] * count, 0.01)

    def history() -> list[int]:
        return list(stats.live(open_cases=0, commits=0).history)

    assert history() == []
    send(1000.4, 2)
    send(1000.9, 1)
    assert history() == []  # the second is not over
    send(1002.5, 5)
    assert history() == [3, 0]
    now[0] = 1003.0
    assert history() == [3, 0, 5]
    now[0] = 1121.5
    assert (len(history()), history()[:2]) == (120, [0, 5])
    for second in range(1200, 1500):
        send(second + 0.5, 1)
    now[0] = 1500.0
    assert history() == [1] * 120
