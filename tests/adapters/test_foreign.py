"""Foreign kinds: what a plug-in compares, beside any index; the plug-in of the how-to page, installed and run with the whole service."""

from __future__ import annotations

import importlib
import random
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nightlight.adapters.index import FlatIndex, MultiIndex, PlainIndex, Tuning
from nightlight.adapters.index.foreign import GROUP, ForeignItems, beside, load_kinds
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.bank import Bank, BankItem, FingerprintIndex, LastingIndex
from nightlight.core.clock import FixedClock
from nightlight.core.decision import HoldContent
from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.services import Answer
from tests.app.conftest import NOW, message

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "add-a-fingerprint-kind.md").read_text("utf-8")
RING = FingerprintKind("x-example-ring")
ABSENT = FingerprintKind("x-absent")


def block(name: str) -> str:
    """A code block of the page, by the file that its first line names."""
    (found,) = re.findall(rf"```\w+\n# {re.escape(name)}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


class Site:
    """A folder on `sys.path` into which distributions are installed as pip would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(self, distribution: str, module: str, source: str, **points: str) -> None:
        (self.folder / f"{module}.py").write_text(source, "utf-8")
        self.modules.append(module)
        info = self.folder / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8")
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *(f"{k} = {v}" for k, v in points.items())]) + "\n", "utf-8")
        importlib.invalidate_caches()

    def install_page(self) -> None:
        (found,) = re.findall(rf'\[project\.entry-points\."{re.escape(GROUP)}"\]\n(\w+) = "(.*?)"', block("pyproject.toml"))
        self.install("example-ring", "example_ring", block("example_ring.py"), **{found[0]: found[1]})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    made = Site(folder)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


def ring(number: int) -> Fingerprint:
    return Fingerprint(RING, f"{number:016x}")


def pdq(number: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, f"{number:064x}", 100)


def item(id: str, *prints: Fingerprint, bank: str = "own", enabled: bool = True) -> BankItem:
    return BankItem(id=id, bank=bank, fingerprints=prints, enabled=enabled)


INDEXES: dict[str, Callable[[], FingerprintIndex]] = {
    "plain": PlainIndex,
    "flat": FlatIndex,
    "multi": lambda: MultiIndex(tuning=Tuning(scanned=3, background=False)),
}


@pytest.fixture(params=INDEXES)
def index(request: pytest.FixtureRequest, site: Site) -> Iterator[FingerprintIndex]:
    site.install_page()
    inner = INDEXES[request.param]()
    yield beside(inner, load_kinds().kinds)
    if isinstance(inner, MultiIndex):
        inner.close()


# -- the contract, against brute force ---------------------------------------------------------------------------------------------


def test_it_finds_what_brute_force_finds_through_every_change(index: FingerprintIndex) -> None:
    rng = random.Random(5)
    banks = {
        "own": Bank(name="own"),
        "strict": Bank(name="strict", thresholds={"x-example-ring": 2}),
        "off": Bank(name="off", enabled=False),
    }
    for bank in banks.values():
        index.put_bank(bank)
    base = rng.getrandbits(64)
    held: dict[tuple[str, str], BankItem] = {}
    for step in range(120):
        name, id = rng.choice(list(banks)), f"i{rng.randrange(25)}"
        if rng.random() < 0.2:
            held.pop((name, id), None)
            index.remove_item(name, id)
        else:
            values = [base ^ sum(1 << bit for bit in rng.sample(range(64), rng.randrange(9))) for _ in range(rng.randrange(1, 4))]
            held[name, id] = item(id, *map(ring, values), pdq(rng.getrandbits(256)), bank=name, enabled=rng.random() < 0.85)
            index.put_item(held[name, id])
        if step == 60:
            banks["strict"] = msgspec.structs.replace(banks["strict"], thresholds={})
            index.put_bank(banks["strict"])
        expected = {}
        for (name, id), one in held.items():
            within = banks[name].thresholds.get("x-example-ring", 6)
            near = min((base ^ int(f.value, 16)).bit_count() for f in one.fingerprints if f.kind == RING)
            if one.enabled and banks[name].enabled and near <= within:
                expected[name, id] = (near, within)
        assert {(m.bank, m.item): (m.distance, m.threshold) for m in index.search([ring(base)])} == expected
    assert {m.kind for m in index.search([ring(base)])} == {RING}
    assert index.search_exact([ring(base)]) == []
    assert index.sizes()[RING] == sum(f.kind == RING for one in held.values() if one.enabled for f in set(one.fingerprints))


def test_computed_and_foreign_kinds_are_found_together_the_nearest_first(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    assert index.put_items([item(f"i{n}", ring(1 << 40), pdq(7), Fingerprint(ABSENT, "abcdef01")) for n in range(8)]) == 8
    found = index.search_many([[ring(1 << 40), pdq(6)], [pdq(7)], [Fingerprint(ABSENT, "abcdef01")], []])
    assert [len(one) for one in found] == [16, 8, 0, 0]
    assert [m.distance for m in found[0]] == sorted(m.distance for m in found[0])
    index.put_bank(Bank(name="own", enabled=False))
    assert index.search([ring(1 << 40)]) == []


def test_a_lasting_index_stays_one_and_no_plugin_is_no_wrapper(site: Site, tmp_path: Path) -> None:
    plain = FlatIndex()
    assert beside(plain, load_kinds().kinds) is plain
    site.install_page()
    inner = MultiIndex(tmp_path / "index")
    wrapped = beside(inner, load_kinds().kinds)
    assert isinstance(wrapped, LastingIndex) and not isinstance(beside(plain, load_kinds().kinds), LastingIndex)
    inner.close()


def test_every_index_passes_foreign_values_over() -> None:
    for make in INDEXES.values():
        bare = make()
        bare.put_bank(Bank(name="own"))
        for n in range(9):
            bare.put_item(item(f"i{n}", ring(n), pdq(n)))
        bare.put_item(item("only", ring(9)))
        assert bare.search([ring(1)]) == []
        assert len(bare.search([pdq(1)])) == 9
        if isinstance(bare, MultiIndex):
            bare.merge(everything=True)
            assert len(bare.search([pdq(1)])) == 9
            bare.close()


def test_a_search_beside_a_writer_never_misses_an_item_that_is_replaced(site: Site) -> None:
    site.install_page()
    items = ForeignItems(load_kinds().kinds)
    items.put_bank(Bank(name="own"))
    items.put_item(item("a", ring(3)))
    stop, missed = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            if [m.item for m in items.search([ring(3)])] != ["a"]:
                missed.append(1)

    thread = threading.Thread(target=look)
    thread.start()
    for n in range(3000):
        items.put_item(item("a", ring(3), ring(1000 + n)))
    stop.set()
    thread.join(10)
    assert not missed


# -- plug-ins that are broken ------------------------------------------------------------------------------------------------------

HEAD = "from nightlight.core.fingerprint import FingerprintKind\n"
BROKEN = {
    "no-module": "raise RuntimeError('at import')",
    "no-build": "",
    "own-kind": HEAD
    + "class K:\n kind = FingerprintKind.PDQ\n threshold = 1\n check = searcher = lambda *a: None\ndef build(): return K()",
    "no-threshold": HEAD
    + "class K:\n kind = FingerprintKind('x-a')\n threshold = -1\n check = searcher = lambda *a: None\ndef build(): return K()",
    "no-methods": HEAD + "class K:\n kind = FingerprintKind('x-a')\n threshold = 1\ndef build(): return K()",
    "no-kind": "class K:\n kind = 'ring'\n threshold = 1\ndef build(): return K()",
    "exits": "def build(): raise OSError('gone')",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_and_spoils_no_other(site: Site, name: str) -> None:
    site.install(f"broken-{name}", "broken_ring", BROKEN[name], bad="broken_ring:build")
    site.install_page()
    loaded = load_kinds()
    assert set(loaded.kinds) == {RING}
    (problem,) = loaded.problems
    assert problem.startswith(f"bad of broken-{name}: ")


def test_a_kind_is_given_out_once(site: Site) -> None:
    site.install_page()
    site.install("second", "second_ring", block("example_ring.py"), zring="second_ring:build")
    assert load_kinds().problems == ("zring of second: ValueError: another plug-in already offers x-example-ring",)


class Failing:
    """A plug-in whose every part may fail."""

    kind, threshold = RING, 6

    def __init__(self, fails: str) -> None:
        self.fails = fails

    def _maybe(self, where: str) -> None:
        if where == self.fails:
            raise RuntimeError("f" * 16)

    def check(self, value: str) -> None:
        self._maybe("check")

    def searcher(self) -> Failing:
        self._maybe("searcher")
        return self

    def put(self, number: int, value: str) -> None:
        self._maybe("put")

    def remove(self, number: int) -> None:
        self._maybe("remove")

    def search(self, value: str, most: int) -> Iterable[tuple[int, int]]:
        self._maybe("search")
        return [(0, 1), (0, 99), (77, 0), (0, -5)] if self.fails != "senseless" else [("x", "y")]  # type: ignore[list-item]


@pytest.mark.parametrize("fails", ["searcher", "put", "remove", "search", "senseless", ""])
def test_what_fails_inside_a_plugin_is_told_and_the_rest_goes_on(fails: str) -> None:
    index = beside(FlatIndex(), {RING: Failing(fails)})
    index.put_bank(Bank(name="own"))
    index.put_item(item("a", ring(1), pdq(1)))
    found = index.search([ring(1), pdq(1)])
    assert [m.item for m in found if m.kind is FingerprintKind.PDQ] == ["a"]
    assert len(found) == (2 if fails in ("", "remove") else 1), (
        "a distance beyond the threshold or below zero, a number of nothing: none is a match"
    )
    index.put_item(item("a", pdq(2)))
    index.remove_item("own", "a")
    assert index.search([ring(1)]) == []
    assert bool(index.foreign.problems) is bool(fails)  # type: ignore[attr-defined]


def test_a_plugin_that_refuses_a_value_is_heard_and_one_that_breaks_on_it_quotes_nothing() -> None:
    with pytest.raises(Invalid) as caught:
        ForeignItems({RING: Failing("check")}).check(ring(1), "fingerprints[0].value")
    assert caught.value.field == "fingerprints[0].value" and "ffff" not in str(caught.value)
    ForeignItems({}).check(ring(1), "fingerprints[0].value")


# -- the whole service -------------------------------------------------------------------------------------------------------------


def sent(graph: Nightlight, **more: Any) -> Answer:
    wire = message("", kind="media", channel={"id": "pictures", "kind": "game"}) | more
    del wire["text"]
    return graph.events.submit(graph.events.decode(msgspec.json.encode(wire))).result(20)


def graph_at(home: Path) -> Nightlight:
    return bootstrap(home, clock=FixedClock(NOW), settings=Settings(), start=True)


def test_the_pages_plugin_end_to_end(site: Site, tmp_path: Path) -> None:
    site.install_page()
    shown = [msgspec.json.decode(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    banked, asked = shown[0]["fingerprints"][0], shown[1]
    with graph_at(tmp_path / "home") as graph:
        graph.banks.create(Bank(name="own"), "test")
        prints = [msgspec.convert(banked, Fingerprint)]
        made = graph.banks.add("own", prints, "test")
        (match,) = graph.banks.match([msgspec.convert(asked, Fingerprint)])
        assert (match.item, match.kind, match.distance, match.threshold) == (made.id, RING, 1, 6)
        with pytest.raises(Invalid, match="16 hexadecimal digits") as caught:
            graph.banks.add("own", [Fingerprint(RING, "00ff00ff")], "test")
        assert caught.value.field == "fingerprints[0].value"
        answer = sent(graph, fingerprints=[asked])
        assert isinstance(answer.decision.actions[0], HoldContent)
        assert answer.decision.reasons[0] == f"its x-example-ring fingerprint is 1 from {made.id} of bank own (threshold 6)"
        assert not sent(graph, fingerprints=[{"kind": "x-example-ring", "value": "f" * 16}]).decision.harms
        check = next(c for c in graph.status.ready() if c.name == "fingerprint-kinds")
        assert check.ok and "x-example-ring" in check.detail
    with graph_at(tmp_path / "home") as graph:
        assert sent(graph, fingerprints=[asked]).decision.harms, "found again after a restart"


def test_without_the_plugin_values_are_kept_and_match_nothing(site: Site, tmp_path: Path) -> None:
    with graph_at(tmp_path / "home") as graph:
        graph.banks.create(Bank(name="own"), "test")
        made = graph.banks.add("own", [ring(5)], "test")
        assert graph.banks.match([ring(5)]) == []
        assert not sent(graph, fingerprints=[msgspec.to_builtins(ring(5))]).decision.harms
    site.install_page()
    with graph_at(tmp_path / "home") as graph:
        assert [m.item for m in graph.banks.match([ring(5)])] == [made.id], "the plug-in was installed since"


def test_readiness_names_a_broken_plugin_and_the_service_goes_on(site: Site, tmp_path: Path) -> None:
    site.install("broken", "broken_ring", BROKEN["exits"], bad="broken_ring:build")
    with graph_at(tmp_path / "home") as graph:
        check = next(c for c in graph.status.ready() if c.name == "fingerprint-kinds")
        assert (check.ok, check.blocking) == (False, False)
        assert "bad of broken: OSError" in check.detail
        assert isinstance(sent(graph, fingerprints=[msgspec.to_builtins(ring(5))]).decision.event_id, str)


def test_an_index_that_lasts_reads_them_again_when_it_is_opened(site: Site, tmp_path: Path) -> None:
    site.install_page()
    kinds = load_kinds().kinds
    with graph_at(tmp_path / "home") as graph:
        graph.banks.create(Bank(name="own"), "test")
        made = graph.banks.add("own", [ring(5), pdq(3)], "test")
        first = MultiIndex(tmp_path / "index")
        graph.database.banks(beside(first, kinds), lambda data: ())
        assert first.merge(everything=True)
        first.close()
        second = MultiIndex(tmp_path / "index")
        assert second.position() is not None, "else it would be loaded anew in any case"
        reopened = graph.database.banks(beside(second, kinds), lambda data: ())
        assert [m.item for m in reopened.search([ring(4)])] == [made.id]
        assert [m.item for m in reopened.search([pdq(3)])] == [made.id]
        second.close()
