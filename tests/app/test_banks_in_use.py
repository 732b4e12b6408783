"""Banks as the whole service uses them: what the senses are told, how often an item was met, and when it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec

from nightlight.app.bootstrap import Nightlight
from nightlight.app.senses import Sensed
from nightlight.core.bank import Bank, BankAction, BankKind, Category
from nightlight.core.clock import FixedClock
from nightlight.core.event import MediaScreened
from nightlight.core.features import Features, Sense
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.senses.media.sensors import in_share
from tests.app.conftest import upload
from tests.app.test_pipeline import picture


def test_the_senses_are_told_what_a_match_may_do(graph: Nightlight) -> None:
    graph.banks.create(Bank(name="list", kind=BankKind.PARTNER, action=BankAction.COUNT, authority=True, share=0.5), "test")
    item = graph.banks.add_bytes("list", picture(), "test", category=Category.A1, generated=True)
    sent = msgspec.convert(upload(), MediaScreened, strict=False)
    event = msgspec.structs.replace(
        sent,
        id=next(id for id in map(str, range(100)) if in_share("list", 0.5, id)),
        fingerprints=tuple(f for f in item.fingerprints if not f.variant),
    )
    sensed = Sensed(event, Features())
    graph.senses.first([sensed])
    assert sensed.features.media is not None
    for match in sensed.features.media.matches:
        assert match.kind.is_exact
        assert (match.action, match.authority, match.share) == (BankAction.COUNT, True, 0.5)
        assert (match.category, match.generated) == (Category.A1, True)
    assert len(sensed.features.media.matches) == 3
    graph.senses.second([(sensed, frozenset({Sense.MATCH_LIKENESS}))])
    assert {m.category for m in sensed.features.media.matches} == {Category.A1}
    assert any(not m.kind.is_exact and m.authority for m in sensed.features.media.matches)


def test_an_item_knows_how_often_it_was_met(graph: Nightlight) -> None:
    graph.banks.create(Bank(name="known"), "test")
    item, other = graph.banks.add_bytes("known", picture(), "test"), graph.banks.add_bytes("known", picture(7), "test")
    for _ in range(2):
        graph.media.screen(msgspec.json.encode(upload()), picture()).result(30)
    graph.engine.stop()  # ends when every fact is folded
    standing = graph.banks.standing("known", [item.id, other.id])
    assert (standing[item.id].seen, standing[other.id].seen) == (2, 0)


def test_what_another_process_banks_is_seen_while_a_sweep_takes_long(build: Callable[..., Nightlight]) -> None:
    started, sweeping = threading.Event(), threading.Event()

    def sweep() -> None:
        started.set()
        sweeping.wait(60)

    graph = build()
    graph.background.every(timedelta(hours=1), sweep, "a long sweep")
    try:
        graph.start(background=True)
        assert started.wait(60)
        other = build(start=False)
        other.banks.create(Bank(name="known"), "test")
        item = other.banks.add("known", [Fingerprint(FingerprintKind.SHA256, "ab" * 32)], "test")
        until = time.monotonic() + 30
        while not (found := graph.banks.search(item.fingerprints)) and time.monotonic() < until:
            time.sleep(0.02)
        assert [m.item for m in found] == [item.id]
    finally:
        sweeping.set()


def test_what_ended_while_nothing_ran_matches_nothing_from_the_first_event_on(build: Callable[..., Nightlight], clock: FixedClock) -> None:
    first = build()
    first.banks.create(Bank(name="known", expires_after_days=30), "test")
    first.banks.add_bytes("known", picture(), "test")
    first.close()
    clock.advance(timedelta(days=31))
    again = build()
    assert again.banks.items("known") == []
    again.banks.add_bytes("known", picture(), "test")
    clock.advance(timedelta(days=31))
    assert again.banks.expire(clock.now()) == 1
