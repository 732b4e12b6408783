"""What the shared fold remembers, and that it stays small. The laws run on the detectors that use it."""

from __future__ import annotations

import msgspec
import pytest

from nightlight.core.detect import MAX_STATE_BYTES, encode_state
from nightlight.core.harm import Stage
from nightlight.detectors import discover

from .states import LONGEST_ID, MOST_NOES, MOST_PEOPLE, QUIET_SHARE, Held, Side, Talk, short
from .weights import ASKS, CONDUCT, REPORTS


def test_padding_takes_at_most_a_share_of_a_cue() -> None:
    held = Held(0.8, 0.8, 0.0, 0.0)
    for _ in range(10_000):
        held = held.quieter()
    assert held.strength == pytest.approx(0.8 * QUIET_SHARE)


def test_refusals_are_counted_up_to_a_few() -> None:
    talk = Talk()
    for n in range(MOST_PEOPLE + 8):
        talk = talk.refused(1, float(n)).refused(100 + n, float(n))
    assert talk.noes[1] == MOST_NOES
    assert set(talk.noes) == set(talk.uneasy)


def test_the_fullest_states_are_small() -> None:
    side, talk = Side(at=1.7e9), Talk(media=1.7e9)
    for name in (*CONDUCT, "persists", *(cue for cue, _ in REPORTS.values())):
        side = side.seen(name, 0.987654321, 1.7e9)
    for n, stage in enumerate([*Stage] * 2000):
        side = side.shown(stage, 1.7e9 + n, f"{n:>0200}")
    for n in range(200):
        talk = talk.declared(short(f"account-{n}")).refused(short(f"account-{n}"), 1.7e9 + n)
    side = msgspec.structs.replace(side, told={short(str(n)): 3 for n in range(8)})
    assert max(len(encode_state(state)) for state in (side, talk)) < 0.8 * MAX_STATE_BYTES


def test_a_theme_keeps_when_and_in_which_event_it_was_first_and_last_shown() -> None:
    side = Side().shown(Stage.TRUST, 5.0, "a").shown(Stage.TRUST, 7.0, "b").shown(Stage.TRUST, 7.0, "b").shown(Stage.CONTACT, 9.0, "c")
    shown = side.themes["trust"]
    assert (shown.first, shown.last, shown.first_event, shown.last_event, shown.count) == (5.0, 7.0, "a", "b", 2)
    assert side.stages == (Stage.TRUST, Stage.CONTACT)


def test_the_id_of_an_event_is_kept_whole_or_as_a_hash() -> None:
    long = "x" * (LONGEST_ID + 1)
    side = Side().shown(Stage.TRUST, 5.0, long)
    assert len(side.themes["trust"].first_event) <= LONGEST_ID
    assert not side.themes["trust"].first_event.startswith("xx")


def test_every_conduct_weighs_on_some_harm() -> None:
    """A cue that no table has would be looked for and never counted."""
    tables = [set(detector.weights) for name, detector in discover().detectors.items() if name in ("grooming", "sextortion")]  # type: ignore[attr-defined]
    own = {"persists", *(cue for cue, _ in REPORTS.values())}
    assert set.union(*tables) == CONDUCT | own
    assert ASKS <= CONDUCT
