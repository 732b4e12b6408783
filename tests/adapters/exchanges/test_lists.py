"""The three lists that are read by time, each against a server that speaks its protocol: what comes, and what may go wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("threatexchange", reason="the package behind these exchanges is not installed (make oracles)")

from nightlight.adapters.exchanges import build
from nightlight.core.exchange import ExchangeFault, ExchangeRun

from .conftest import World
from .servers import Graph, Ncmec, StopNcii, hashed
from .standin import FAULTS, Answer

MADE: dict[str, tuple[Callable[[], Any], str, dict[str, str]]] = {
    "ncmec": (Ncmec, "/hashsharing", {}),
    "stopncii": (StopNcii, "/v1", {}),
    "threatexchange": (Graph, "/v26.0", {"privacy_group": "987"}),
}


class Followed:
    """A list, and the bank that follows it."""

    def __init__(self, world: World, kind: str, server: Any) -> None:
        self.world, self.kind, self.server = world, kind, server
        _, path, options = MADE[kind]
        world.add("list", kind, server.url + path, server.credentials, **options)

    def run(self) -> ExchangeRun:
        return self.world.run("list")

    def same(self) -> bool:
        return self.world.held("list") == self.server.want()


@pytest.fixture(params=MADE)
def followed(request: pytest.FixtureRequest, world: World) -> Iterator[Followed]:
    with MADE[request.param][0]() as server:
        for n in range(1, 15):
            server.put(str(n))
        yield Followed(world, request.param, server)


def test_a_list_is_followed_in_pages_and_only_what_is_new_is_asked_for_again(followed: Followed) -> None:
    first = followed.run()
    assert (first.error, first.added, first.pages, first.bad) == ("", 14, 4, 0)
    assert followed.same()
    server = followed.server
    server.today()
    server.put("3", {"pdq": hashed("pdq", "another")}) if followed.kind != "stopncii" else server.put("new")
    server.delete("5")
    server.put("15")
    second = followed.run()
    assert (second.error, second.withdrawn, second.added + second.changed) == ("", 1, 2)
    assert followed.same()
    third = followed.run()
    assert (third.added, third.changed, third.withdrawn, third.error) == (0, 0, 0, "")
    assert followed.same()


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_passes_when_it_is_asked_again(followed: Followed, fault: str) -> None:
    followed.server.fail([fault, fault, "", fault, "", fault])
    ended = followed.run()
    assert (ended.error, ended.added, ended.bad) == ("", 14, 0)
    assert followed.same()


def test_a_server_that_stays_down_ends_the_fetch_with_what_came_before(followed: Followed) -> None:
    followed.server.fail(["", "", *["503"] * 500])
    ended = followed.run()
    assert "503" in ended.error
    assert (ended.pages, ended.added) == (2, 8)
    state = followed.world.exchanges.status("list")
    assert (state.failures, state.running, state.last_good_at) == (1, False, None)
    followed.server.fail([])
    asked = len(followed.server.asked)
    assert followed.run().added == 6  # and not what was there already, which was not asked for again
    assert len(followed.server.asked) - asked <= 3
    assert followed.same()
    assert followed.world.exchanges.status("list").failures == 0


def test_a_page_that_cannot_be_read_is_closed_in_on_and_the_rest_goes_on(followed: Followed) -> None:
    server = followed.server
    for n in range(3):  # far in time from what is broken, on both sides
        server.put(f"90{n}", at=server._clock + 40_000_000 + n)
    server.unreadable = {"7"}
    ended = followed.run()
    assert "could not be read and are asked for again" in ended.error
    assert ended.bad >= 1
    held, want = followed.world.held("list"), server.want()
    assert set(held) < set(want)
    assert {k for k in want if k.endswith(("900", "901", "902"))} <= set(held) or followed.kind == "stopncii"
    if followed.kind != "stopncii":
        assert len(held) == len(want) - 1  # only the one that is broken
    server.unreadable = set()
    assert followed.run().error == ""
    assert followed.same()


def test_bad_rows_are_counted_with_the_reason_and_the_rest_goes_on(followed: Followed) -> None:
    bad: dict[str, list[Any]] = {
        "ncmec": ["<image/>", "<odd>SECRET</odd>", '<image><member id="x"/><id>1</id></image>', "<video><id/></video>"],
        "stopncii": [None, 7, {"hashValue": 3}, {"signalType": "URL", "hashValue": "SECRET"}],
        "threatexchange": [None, [], {"id": "x"}, {"id": "77", "type": "HASH_PDQ", "indicator": "SECRET", "last_updated": 1}],
    }
    for n, row in enumerate(bad[followed.kind]):
        followed.server.put(f"bad{n}")
        followed.server.extra[f"bad{n}"] = row
    followed.server.put("16", {"pdq": "zz SECRET"})
    ended = followed.run()
    assert ended.error == ""
    # What the Graph API does not describe at all is a withdrawal there: the package's own rule.
    assert ended.bad >= 4
    assert all(r.where.startswith("page ") and r.reason and "SECRET" not in r.reason for r in ended.reasons)
    good = {k: v for k, v in followed.server.want().items() if "bad" not in k and not any("SECRET" in value for _, value in v)}
    good = {k: v for k, v in good.items() if not any(value in {hashed("pdq", f"bad{n}") for n in range(4)} for _, value in v)}
    assert followed.world.held("list") == good


def test_pages_that_are_given_twice_change_nothing(followed: Followed) -> None:
    followed.server.again = True
    ended = followed.run()
    assert (ended.error, ended.added, ended.unchanged) == ("", 14, 14)
    assert followed.same()


def test_links_in_a_circle_end(followed: Followed) -> None:
    followed.server.link = "loop"
    ended = followed.run()
    assert "the links of the list lead in a circle" in {r.reason for r in ended.reasons}
    assert len(followed.server.asked) < 400
    followed.server.link = ""
    assert followed.run().error == ""
    assert followed.same()


@pytest.mark.parametrize("kind", ["ncmec", "threatexchange"])
def test_a_link_to_another_place_is_not_followed(kind: str, world: World) -> None:
    with MADE[kind][0]() as elsewhere, MADE[kind][0]() as server:
        for n in range(1, 15):
            server.put(str(n))
        here = Followed(world, kind, server)
        port = elsewhere.url.rpartition(":")[2]
        for link in (
            f"{elsewhere.url}/v26.0/987/threat_updates/?after=4",
            f"@127.0.0.1:{port}/",
            f".evil.invalid:{port}/x",
            f"//127.0.0.1:{port}/hashsharing/v2/entries",
            "/../../other",
            "file:///etc/passwd",
        ):
            server.link = link
            ended = here.run()
            assert elsewhere.asked == [], link
            assert "SECRET" not in repr(ended)
            world.exchanges.change("list", "tester", interval_minutes=30)
        server.link = ""
        assert here.run().error == ""
        assert here.same()
        assert all(a.path.startswith(MADE[kind][1]) for a in server.asked)


def test_a_redirect_is_not_followed_and_carries_no_credentials(followed: Followed) -> None:
    with MADE[followed.kind][0]() as elsewhere:
        followed.server.fail([f"redirect {elsewhere.url}{MADE[followed.kind][1]}/v2/entries"] * 300)
        ended = followed.run()
        assert ended.error
        assert elsewhere.asked == []
    followed.server.fail([])
    assert followed.run().error == ""
    assert followed.same()


def test_wrong_credentials_end_it_at_once_and_are_told_of_nowhere(
    followed: Followed, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = {
        k: (v if "|" not in v else "87654321|WRONGWRONGWRONGWRONGWRONG") if "|" in v else "WRONG"
        for k, v in followed.server.credentials.items()
    }
    world = followed.world
    world.exchanges.change("list", "tester", credentials=wrong)
    ended = followed.run()
    assert "credentials" in ended.error or "accept" in ended.error
    assert len(followed.server.asked) == 1
    world.exchanges.change("list", "tester", credentials=followed.server.credentials)
    assert followed.run().error == ""
    followed.server.fail(["garbage", "500", "redirect http://127.0.0.1:9/?SECRET"] * 30)
    followed.server.today()
    followed.server.put("99")
    followed.run()
    told = repr((world.exchanges.list(), world.exchanges.runs("list"), world.database.audit.entries(most=10_000)))
    said = caplog.text + "".join(capsys.readouterr()) + told
    for secret in (*wrong.values(), *followed.server.credentials.values(), "SECRET"):
        assert secret not in said
    for value in hashed("pdq", "1"), hashed("pdq", "99"):
        assert value not in said
    path = world.database.home / "nightlight.db"
    if path.exists():
        stored = b"".join(p.read_bytes() for p in world.database.home.glob("nightlight.db*"))
        assert all(secret.encode() not in stored for secret in followed.server.credentials.values())


def test_what_was_deleted_while_nobody_fetched_for_months_goes_too(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    if followed.kind == "ncmec":
        pytest.skip("NCMEC keeps its deletions for ever")
    assert followed.run().error == ""
    import time

    real = time.time
    del followed.server.entries["4"]  # its tombstone is gone as well
    from nightlight.adapters.exchanges import build

    def later(*given: Any) -> Any:
        client = build(*given)
        client._now = lambda: real() + 100 * 86400  # type: ignore[attr-defined]
        return client

    followed.world.exchanges._make = later
    followed.server.fail(["", "500", "", "cut"])
    ended = followed.run()
    assert (ended.error, ended.withdrawn) == ("", 1)
    assert followed.same()


def test_other_options_read_the_list_anew_and_withdraw_what_is_not_wanted_any_more(world: World) -> None:
    with Ncmec() as server:
        for n in range(1, 6):
            server.put(str(n))
        here = Followed(world, "ncmec", server)
        assert here.run().added == 5
        world.exchanges.change("list", "tester", options={"members": "1"})
        ended = here.run()
        assert (ended.error, ended.withdrawn) == ("", 5)
        world.exchanges.change("list", "tester", options={"members": "42, 7"})
        assert here.run().added == 5
        assert here.same()


def test_an_answer_that_hides_its_document_type_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE q [<!ENTITY a "x">]><queryResult>&a;</queryResult>'
    with Ncmec() as server:
        monkeypatch.setattr(server, "answer", lambda _: Answer(200, text.encode("utf-16")))
        made = build(world.add("list", "ncmec", server.url + "/hashsharing", server.credentials), server.credentials)
        with pytest.raises(ExchangeFault, match="no complete XML"):
            next(made.pages(None))
