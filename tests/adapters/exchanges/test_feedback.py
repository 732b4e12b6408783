"""Verdicts are written back where the exchange takes them: at least once, and twice is as once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

pytest.importorskip("threatexchange", reason="the package behind these exchanges is not installed (make oracles)")

from nightlight.core.bank import Category, ItemVerdict

from .conftest import World
from .servers import Graph, Ncmec, StopNcii, hashed


def judge(world: World, source: str, confirm: bool, *, id: int) -> None:
    item = next(i for i in world.items("list") if i.source == source)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world.banks.verdicts[id] = ItemVerdict(id=id, bank="list", item=item.id, source=source, confirm=confirm, by="r", note="", at=at)


def test_ncmec_gets_votes_with_the_reason_that_the_operator_chose(world: World) -> None:
    with Ncmec() as server:
        for id in "123":
            server.put(id)
        world.add("list", "ncmec", f"{server.url}/hashsharing", server.credentials)
        assert world.run("list").error == ""
        judge(world, "ncmec:42-1", True, id=1)
        judge(world, "ncmec:42-2", False, id=2)
        ended = world.run("list")
        assert "not accepted" in ended.error  # two reasons are offered, and none was chosen
        assert [r.where for r in ended.reasons] == ["a verdict"]
        assert world.banks.sent == [1]
        world.exchanges.change("list", "tester", options={"deny_reason": "not what it says"})
        server.fail(["", "", "500"])  # the list anew in one page, its reasons, and then a fault
        assert "500" in world.run("list").error
        assert world.banks.sent == [1]
        ended = world.run("list")
        assert (ended.error, ended.told, world.banks.sent) == ("", 1, [1, 2])
        # The exact hash of an entry is not denied because something else looks like it.
        assert server.votes == {("42", "1", "MD5"): "up", ("42", "1", "PDQ"): "up", ("42", "2", "PDQ"): "down guid-1"}
        assert world.run("list").told == 0


def test_stopncii_is_told_blocked_or_not(world: World) -> None:
    with StopNcii() as server:
        server.put("1")
        server.put("2")
        world.add("list", "stopncii", f"{server.url}/v1", server.credentials)
        assert world.run("list").error == ""
        for n, source in enumerate(server.want()):
            judge(world, source, n == 0, id=n)
        assert world.run("list").told == 2
        assert server.feedback == {hashed("pdq", "1"): "Blocked", hashed("pdq", "2"): "NotBlocked"}


def test_stopncii_without_the_key_for_it_is_told_nothing(world: World) -> None:
    with StopNcii() as server:
        server.put("1")
        keys = {k: v for k, v in server.credentials.items() if k != "feedback_key"}
        world.add("list", "stopncii", f"{server.url}/v1", keys)
        assert world.run("list").error == ""
        judge(world, next(iter(server.want())), True, id=1)
        ended = world.run("list")
        assert (ended.error, ended.told, server.feedback, world.banks.sent) == ("", 0, {}, [])


def test_threatexchange_gets_reactions_to_the_descriptors_of_others(world: World) -> None:
    with Graph() as server:
        for id in "12":
            server.put(id)
        server.tags = {"1": ["B1", "genai", "x" * 200]}
        world.add("list", "threatexchange", f"{server.url}/v26.0", server.credentials, privacy_group="987", generated_tag="genai")
        assert world.run("list").error == ""
        judge(world, "threatexchange:1", True, id=1)
        judge(world, "threatexchange:2", False, id=2)
        ended = world.run("list")
        assert (ended.error, ended.told) == ("", 2)
        assert server.reactions == {"91": "HELPFUL", "92": "NOT_HELPFUL"}


def test_labels_categories_and_provenance_come_with_the_rows() -> None:
    from nightlight.adapters.exchanges import build
    from nightlight.core.exchange import Exchange, ExchangeKind

    with Ncmec() as server:
        server.put("1", {"pdq": hashed("pdq", 1), "pdna": ",".join(str(n) for n in range(144)), "netclean": "!!"})
        server.put("2")
        server.classes = {"1": "b2", "2": "Something else"}
        url = f"{server.url}/hashsharing"
        exchange = Exchange(name="ncmec", kind=ExchangeKind.NCMEC, bank="b", url=url, options={"environment": "test-generative-ai"})
        (page,) = build(exchange, server.credentials).pages(None)
        one, two = sorted(page.puts, key=lambda item: item.source or "")
        assert [f.kind.value for f in one.fingerprints] == ["pdq", "x-photodna"]
        assert one.fingerprints[1].value == bytes(range(144)).hex()
        assert (one.category, one.generated, one.labels) == (Category.B2, True, ("image",))
        assert one.provenance == "ncmec: Example & Sons"
        assert (two.category, two.labels) == (None, ("image", "Something else"))
        assert [b.reason for b in page.bad] == ["a fingerprint is not written as x-netclean is"]
    with Graph() as graph:
        graph.put("1")
        graph.tags = {"1": ["b1", "GenAI"]}
        options = {"privacy_group": "987", "generated_tag": "genai"}
        exchange = Exchange(name="te", kind=ExchangeKind.THREATEXCHANGE, bank="b", url=f"{graph.url}/v26.0", options=options)
        (page,) = build(exchange, graph.credentials).pages(None)
        assert (page.puts[0].category, page.puts[0].generated, page.puts[0].provenance) == (Category.B1, True, "te: 12345678; Example")
