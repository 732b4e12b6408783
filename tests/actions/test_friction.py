"""When friction begins follows from a key, the pair and the hour, and from nothing that anybody did."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.actions.friction import SLOT, begins

HOUR = datetime(2026, 3, 1, 20, tzinfo=UTC)


def keyed(key: bytes):  # type: ignore[no-untyped-def]
    return lambda seed: hashlib.blake2b(seed, key=key).digest()


DRAW = keyed(b"one")
moments = st.datetimes(datetime(2025, 12, 30), datetime(2026, 3, 2)).map(lambda d: d.replace(tzinfo=UTC))


@settings(deadline=None)
@given(moments)
def test_it_comes_after_and_before_two_slots_are_over(now: datetime) -> None:
    since = begins(now, "a", "c", DRAW)
    assert timedelta() < since - now < 2 * SLOT
    assert begins(now.astimezone(timezone(timedelta(hours=9))), "a", "c", DRAW) == since, "a moment has one beginning, however written"


@settings(deadline=None)
@given(st.integers(0, 3599), st.integers(0, 3599))
def test_whatever_came_within_a_slot_it_is_the_same_moment(one: int, other: int) -> None:
    assert begins(HOUR + timedelta(seconds=one), "a", "c", DRAW) == begins(HOUR + timedelta(seconds=other), "a", "c", DRAW)


def test_it_differs_by_pair_day_hour_and_key_and_spreads_over_the_slot() -> None:
    def share(since: datetime) -> float:
        return (since.minute * 60 + since.second) / 3600

    others = [begins(HOUR, "a", f"c{n}", DRAW) for n in range(200)]
    assert len(set(others)) > 180
    assert 0.4 < sum(map(share, others)) / len(others) < 0.6
    days = {share(begins(HOUR + timedelta(days=n), "a", "c", DRAW)) for n in range(20)}
    hours = {share(begins(HOUR - timedelta(hours=n), "a", "c", DRAW)) for n in range(20)}
    assert len(days) >= 18 and len(hours) >= 18
    assert begins(HOUR, "a", "c", keyed(b"another")) != begins(HOUR, "a", "c", DRAW)
    assert begins(HOUR, "c", "a", DRAW) != begins(HOUR, "a", "c", DRAW)
    assert begins(HOUR, "a", None, DRAW) == begins(HOUR, "a", None, DRAW)
