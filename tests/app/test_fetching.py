"""One fetch, with clients made for the test: what the bank refuses, large pages, time, and errors nobody planned for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import open_database
from nightlight.app import fetching
from nightlight.app.fetching import Patience
from nightlight.core.bank import NewItem
from nightlight.core.clock import SystemClock
from nightlight.core.errors import Unavailable
from nightlight.core.exchange import ExchangeFault, ExchangeRun, Page, Progress
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from tests.adapters.exchanges.conftest import EAGER, World
from tests.adapters.exchanges.servers import hashed


def item(n: int, kinds: int = 1) -> NewItem:
    made = tuple(Fingerprint(FingerprintKind.PDQ, hashed("pdq", f"{n} {k}")) for k in range(kinds))
    return NewItem(fingerprints=made, source=f"file:{n}")


class Scripted:
    """Gives the pages of a script, from the checkpoint on; an exception among them is raised, each time anew until it is taken out."""

    takes_feedback = False

    def __init__(self, *script: Page | Exception, past: bytes | None = None) -> None:
        self.script, self.past, self.asked, self.closed = list(script), past, 0, False

    def pages(self, checkpoint: bytes | None) -> Iterator[Page]:
        for step in self.script[int(checkpoint or b"0") :]:
            self.asked += 1
            if isinstance(step, Exception):
                raise step
            yield step

    def skip(self, checkpoint: bytes | None) -> bytes | None:
        return None if self.past is None else str(int(checkpoint or b"0") + 1).encode()

    def holds(self, source: str) -> bool:
        return False

    def tell(self, *_: object) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    database = open_database(None, home, KeyFileSealer(home / "keys.json"), SystemClock(), migrate=True)
    made = World(database)
    made.add("list", "file", path="/nowhere")
    yield made
    database.close()


@pytest.fixture
def fetched(world: World) -> Callable[[Scripted], ExchangeRun]:
    def run(client: Scripted) -> ExchangeRun:
        world.exchanges._make = lambda *_: client
        ended = world.run("list")
        assert client.closed
        return ended

    return run


def test_an_item_that_the_bank_refuses_is_left_out_alone(world: World, fetched: Callable[[Scripted], ExchangeRun]) -> None:
    puts = [item(n) if n != 5 else item(n, 1025) for n in range(12)]
    ended = fetched(Scripted(Page(checkpoint=b"1", puts=tuple(puts))))
    assert (ended.error, ended.added, ended.bad, ended.pages) == ("", 11, 1, 1)
    assert [r.reason for r in ended.reasons] == ["the bank does not take it"]


def test_a_page_larger_than_a_transaction_is_cut_and_counted_whole(
    world: World, fetched: Callable[[Scripted], ExchangeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_ROWS", 10)
    applied: list[int] = []
    real = world.banks._banks.apply

    def count(bank: str, put: Sequence[Any], gone: Sequence[str], *more: Any) -> Any:
        applied.append(len(put) + len(gone))
        return real(bank, put, gone, *more)

    world.banks.apply = count
    ended = fetched(Scripted(Page(checkpoint=b"1", puts=tuple(item(n) for n in range(25)), withdrawals=("file:99",))))
    assert (ended.error, ended.added, ended.pages, applied) == ("", 25, 1, [10, 10, 6])


def test_the_place_is_kept_with_the_page_and_not_before(world: World) -> None:
    """A failure at the commit leaves both as they were."""
    client = Scripted(Page(checkpoint=b"1", puts=(item(1),)), Page(checkpoint=b"2", puts=(item(2),)))
    world.exchanges._make = lambda *_: client  # type: ignore[assignment, return-value]
    real = world.database.exchanges.write

    def broken(connection: Any, begun: Any, told: Any, checkpoint: bytes | None) -> None:
        real(connection, begun, told, checkpoint)
        if checkpoint == b"2":
            raise Unavailable("the disk is full")

    world.database.exchanges.write = broken  # type: ignore[method-assign]
    assert world.run("list").error == "the disk is full"
    assert set(world.held("list")) == {"file:1"}
    world.database.exchanges.write = real  # type: ignore[method-assign]
    assert world.database.exchanges.begin("list", "tester").checkpoint == b"1"


def test_what_nobody_planned_for_ends_the_fetch_without_its_words(fetched: Callable[[Scripted], ExchangeRun]) -> None:
    ended = fetched(Scripted(Page(checkpoint=b"1", puts=(item(1),)), RuntimeError("SECRET")))
    assert (ended.error, ended.added) == ("an unexpected error (RuntimeError)", 1)


def test_a_page_is_gone_round_where_the_client_knows_a_way(fetched: Callable[[Scripted], ExchangeRun]) -> None:
    pages = Page(checkpoint=b"1", puts=(item(1),)), ExchangeFault("broken", page=True), Page(checkpoint=b"3", puts=(item(3),))
    ended = fetched(Scripted(*pages, past=b""))
    assert (ended.error, ended.added, ended.bad) == ("", 2, 1)
    client = Scripted(*pages)
    assert fetched(client).error in ("broken", "")


@pytest.mark.parametrize("fault", [ExchangeFault("down"), ExchangeFault("broken", page=True)])
def test_without_a_way_round_it_ends_after_its_attempts(world: World, fetched: Callable[[Scripted], ExchangeRun], fault: Exception) -> None:
    client = Scripted(fault)
    assert fetched(client).error == str(fault)
    assert client.asked == EAGER.attempts


def test_it_never_goes_round_for_ever(fetched: Callable[[Scripted], ExchangeRun], world: World) -> None:
    world.exchanges._patience = Patience(attempts=2, base_s=0.0, cap_s=0.0, skips=7)
    client = Scripted(*[ExchangeFault("broken", page=True)] * 50, past=b"")
    assert fetched(client).error == "broken"
    assert client.asked == 2 * 8


def test_a_fetch_ends_when_its_time_is_over_and_goes_on_with_the_next(fetched: Callable[[Scripted], ExchangeRun], world: World) -> None:
    world.exchanges._patience = Patience(whole=timedelta())
    pages = [Page(checkpoint=str(n + 1).encode(), puts=(item(n),)) for n in range(3)]
    assert [fetched(Scripted(*pages)).added for _ in range(3)] == [1, 1, 1]
    world.exchanges._patience = EAGER
    assert fetched(Scripted(*pages)).error == ""


def test_somebody_who_watches_sees_it_go_on(world: World) -> None:
    pages = Page(checkpoint=b"1", puts=(item(1), item(2)), done=0.5), ExchangeFault("x"), Page(checkpoint=b"3", puts=(item(3),), done=1.0)
    client = Scripted(*pages)
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        client.script[1] = Page(checkpoint=b"2")

    world.exchanges._make = lambda *_: client  # type: ignore[assignment, return-value]
    world.exchanges._patience = Patience(base_s=0.001)
    world.exchanges.run("list", "tester", watch)
    assert any(p.waiting_s for p in seen)
    assert [(p.rows, p.done) for p in seen if not p.waiting_s] == [(2, 0.5), (2, None), (3, 1.0)]


def test_waits_grow_to_a_bound() -> None:
    patience = Patience()
    assert [patience.wait(n, 1.0) for n in (1, 2, 3)] == [2.0, 4.0, 8.0]
    assert patience.wait(50, 1.0) == patience.cap_s
    assert patience.wait(1, 0.0) == 1.0
