"""One suite over every fingerprint index; and the fast one against its plain twin."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.adapters.index import FlatIndex, MultiIndex, PlainIndex, Tuning
from nightlight.adapters.index import flat as flat_module
from nightlight.adapters.index.layout import layout
from nightlight.core.bank import Bank, BankItem, BankKind, FingerprintIndex, Match
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pdq-reference"
INDEXES: dict[str, Callable[[], FingerprintIndex]] = {
    "plain": PlainIndex,
    "flat": FlatIndex,
    "multi": MultiIndex,
    "merging after each": lambda: MultiIndex(tuning=merging(1)),
    "merging after three": lambda: MultiIndex(tuning=merging(3, share=2)),
    "merging beside": lambda: MultiIndex(tuning=Tuning(scanned=2, share=2, layout_of=partial(layout, most_bits=10))),
    "veiled": lambda: MultiIndex(tuning=merging(3, share=2), key=b"\x07" * 32),
    "13 chunks": lambda: MultiIndex(tuning=merging(7, chunks=13)),
    "11 chunks": lambda: MultiIndex(tuning=merging(7, chunks=11)),
}


def merging(after: int, *, share: int = 8, chunks: int | None = None) -> Tuning:
    """Merge at once, in the thread that makes it due. Tables are small, so that hashes of few bits share buckets."""
    return Tuning(scanned=after, share=share, background=False, layout_of=partial(layout, chunks=chunks, most_bits=10))


@pytest.fixture(params=INDEXES)
def index(request: pytest.FixtureRequest) -> Iterator[FingerprintIndex]:
    made = INDEXES[request.param]()
    yield made
    if isinstance(made, MultiIndex):
        made.close()
        assert made.status().trouble is None


def pdq(number: int, quality: int = 100) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, f"{number:064x}", quality)


def sha256(number: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.SHA256, f"{number:064x}")


def md5(number: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.MD5, f"{number:032x}")


def item(id: str, *fingerprints: Fingerprint, bank: str = "own", enabled: bool = True) -> BankItem:
    return BankItem(id=id, bank=bank, fingerprints=fingerprints, enabled=enabled)


def flipped(number: int, bits: Iterable[int]) -> int:
    for bit in bits:
        number ^= 1 << bit
    return number


def ids(matches: Iterable[Match]) -> list[tuple[str, int]]:
    return [(m.item, m.distance) for m in matches]


@pytest.mark.no_cover
@pytest.mark.parametrize("threshold", [0, 1, 12, PDQ_THRESHOLD])
def test_planted_neighbours_at_every_distance(index: FingerprintIndex, threshold: int) -> None:
    rng = random.Random(threshold)
    index.put_bank(Bank(name="own", threshold=threshold))
    query = rng.getrandbits(256)
    for distance in range(41):
        index.put_item(item(f"at {distance:02}", pdq(flipped(query, rng.sample(range(256), distance)))))
    for n in range(200):  # far away: random hashes lie about 128 bits apart
        index.put_item(item(f"far {n}", pdq(rng.getrandbits(256))))
    found = index.search([pdq(query)])
    assert ids(found) == [(f"at {distance:02}", distance) for distance in range(threshold + 1)]
    assert {m.threshold for m in found} == {threshold}
    assert {m.kind for m in found} == {FingerprintKind.PDQ}


@pytest.mark.parametrize("bit", [0, 63, 64, 127, 128, 191, 192, 255])
def test_every_word_of_a_hash_counts(index: FingerprintIndex, bit: int) -> None:
    index.put_bank(Bank(name="own", threshold=0))
    index.put_item(item("a", pdq(1 << bit)))
    assert ids(index.search([pdq(1 << bit)])) == [("a", 0)]
    assert index.search([pdq(0)]) == []
    assert index.search([pdq((1 << 256) - 1)]) == []


def test_byte_hashes_match_exactly_and_each_kind_its_own(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    index.put_item(item("a", sha256(7), md5(8), pdq(9)))
    assert ids(index.search_exact([sha256(7)])) == [("a", 0)]
    assert [m.kind for m in index.search_exact([md5(8), sha256(7)])] == [FingerprintKind.MD5, FingerprintKind.SHA256]
    assert index.search_exact([sha256(6), md5(7), pdq(9)]) == []
    assert index.search([pdq((1 << 256) - 1)]) == index.search([sha256(9)]) == []
    assert index.search_exact([]) == index.search([]) == []
    (match,) = index.search_exact([sha256(7)])
    assert (match.threshold, match.bank, match.bank_kind) == (0, "own", BankKind.OWN)


def test_each_bank_keeps_its_own_threshold_and_kind(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="strict", threshold=5, kind=BankKind.PARTNER))
    index.put_bank(Bank(name="wide", threshold=20, kind=BankKind.QUARANTINE))
    near = flipped(0, range(10))
    for bank in ("strict", "wide"):
        index.put_item(item("same", pdq(near), bank=bank))
    (match,) = index.search([pdq(0)])
    assert (match.bank, match.bank_kind, match.distance, match.threshold) == ("wide", BankKind.QUARANTINE, 10, 20)
    index.put_bank(Bank(name="strict", threshold=10, kind=BankKind.PARTNER))
    index.put_bank(Bank(name="wide", threshold=9, kind=BankKind.QUARANTINE))
    (match,) = index.search([pdq(0)])
    assert (match.bank, match.bank_kind, match.threshold) == ("strict", BankKind.PARTNER, 10)


def test_what_is_disabled_or_removed_is_not_found(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    prints = sha256(1), pdq(1)
    index.put_item(item("a", *prints))
    assert len(index.search(prints)) == 2

    index.put_bank(Bank(name="own", enabled=False))
    assert index.search(prints) == index.search_exact(prints) == []
    index.put_bank(Bank(name="own", enabled=True))
    assert len(index.search(prints)) == 2

    index.put_item(item("a", *prints, enabled=False))
    assert index.search(prints) == index.search_exact(prints) == []
    assert index.sizes()[FingerprintKind.PDQ] == 1, "held, though it matches nothing"
    index.put_item(item("a", *prints))
    assert len(index.search(prints)) == 2

    index.remove_item("own", "a")
    assert index.search(prints) == index.search_exact(prints) == []
    index.remove_item("own", "a")
    index.remove_item("nobody's", "a")
    assert set(index.sizes().values()) == {0}


def test_an_item_put_again_is_replaced(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    index.put_item(item("a", sha256(1), md5(1), pdq(0)))
    index.put_item(item("a", sha256(2), md5(1), pdq((1 << 256) - 1)))
    assert index.search([sha256(1), pdq(0)]) == []
    assert len(index.search([sha256(2), md5(1), pdq((1 << 256) - 1)])) == 3
    sizes = index.sizes()
    assert {kind: sizes[kind] for kind in FingerprintKind} == {
        FingerprintKind.SHA256: 1,
        FingerprintKind.SHA1: 0,
        FingerprintKind.MD5: 1,
        FingerprintKind.PDQ: 1,
    }


def test_the_same_bytes_in_two_banks_are_found_in_both(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    index.put_bank(Bank(name="wrong", kind=BankKind.NEGATIVE))
    index.put_item(item("a", sha256(1)))
    index.put_item(item("b", sha256(1), bank="wrong"))
    assert [(m.bank, m.item) for m in index.search_exact([sha256(1)])] == [("own", "a"), ("wrong", "b")]
    index.remove_item("own", "a")
    assert [(m.bank, m.item) for m in index.search_exact([sha256(1)])] == [("wrong", "b")]


def test_an_item_of_many_frames_is_found_once_at_its_nearest(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    index.put_item(item("video", *[pdq(flipped(0, range(n))) for n in (9, 3, 30, 60)]))
    assert ids(index.search([pdq(0)])) == [("video", 3)]
    assert ids(index.search([pdq(0), pdq(flipped(0, range(9)))])) == [("video", 0)]


def test_a_fingerprint_that_could_never_match_is_refused(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    short = Fingerprint(FingerprintKind.PDQ, "0" * 32)
    with pytest.raises(Invalid) as caught:
        index.put_item(item("a", sha256(1), short))
    assert caught.value.field == "fingerprints[1].value"
    with pytest.raises(Invalid):
        index.put_item(item("a", Fingerprint(FingerprintKind.MD5, "A" * 32)))
    assert set(index.sizes().values()) == {0}
    index.put_item(item("a", pdq(0)))
    assert index.search([short]) == [], "an event's is passed over"


def test_an_item_needs_its_bank(index: FingerprintIndex) -> None:
    with pytest.raises(NotFound):
        index.put_item(item("a", sha256(1), bank="nobody's"))
    assert index.search([sha256(1)]) == []


@pytest.mark.no_cover
def test_more_hits_than_expected_are_all_returned(index: FingerprintIndex) -> None:
    index.put_bank(Bank(name="own"))
    for n in range(300):
        index.put_item(item(f"{n:03}", pdq(flipped(0, range(n % 32)))))
    found = index.search([pdq(0)])
    assert len(found) == 300
    assert [m.distance for m in found] == sorted(n % 32 for n in range(300))


@pytest.mark.no_cover
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference hashes are not beside this checkout")
def test_needles_in_the_reference_haystack(index: FingerprintIndex) -> None:
    needles, hay = ((REFERENCE / name).read_text().split() for name in ("needles.txt", "haystack.txt"))
    hay = hay[::3]  # some of these indexes merge after every item, which takes as long as the square of how many there are
    index.put_bank(Bank(name="own"))
    for place, value in enumerate(hay):
        index.put_item(item(f"{place:04}", Fingerprint(FingerprintKind.PDQ, value)))
    numbers = [int(value, 16) for value in hay]
    total = 0
    for needle in needles[:20] + hay[:20]:
        wanted = {(f"{p:04}", d) for p, n in enumerate(numbers) if (d := (n ^ int(needle, 16)).bit_count()) <= PDQ_THRESHOLD}
        assert set(ids(index.search([Fingerprint(FingerprintKind.PDQ, needle)]))) == wanted
        total += len(wanted)
    assert total >= 20


# The fast one against its twin: any run of changes, then the same questions. Hashes are few and close together, so that they meet.

near_hashes = st.integers(0, 2**6 - 1).map(lambda n: pdq(n * 0x0101_0001_0000_0001_0000_0001))
prints = st.one_of(near_hashes, st.integers(0, 3).map(sha256), st.integers(0, 3).map(md5))
bank_names = st.sampled_from(["b1", "b2", "b3"])
banks = st.builds(
    Bank, name=bank_names, threshold=st.integers(0, 12), enabled=st.sampled_from([True, True, False]), kind=st.sampled_from(BankKind)
)
items = st.builds(
    BankItem,
    id=st.sampled_from(["i1", "i2", "i3", "i4"]),
    bank=bank_names,
    fingerprints=st.lists(prints, max_size=5).map(tuple),
    enabled=st.sampled_from([True, True, False]),
)
removals = st.tuples(bank_names, st.sampled_from(["i1", "i2", "i3", "i4"]))


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.one_of(banks, items, items, removals, st.lists(items, max_size=6)), max_size=40), asked=st.lists(prints, max_size=5)
)
def test_the_twins_agree(steps: list[Bank | BankItem | tuple[str, str] | list[BankItem]], asked: list[Fingerprint]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_module, "FIRST_ROWS", 2)  # so that growing and compacting happen at once
        twins: list[FingerprintIndex] = [PlainIndex(), FlatIndex(), MultiIndex(tuning=merging(3, share=2))]
        for twin in twins:
            twin.put_bank(Bank(name="b1"))
        for step in steps:
            outcomes = []
            for twin in twins:
                try:
                    if isinstance(step, Bank):
                        twin.put_bank(step)
                    elif isinstance(step, BankItem):
                        twin.put_item(step)
                    elif isinstance(step, list):
                        assert twin.put_items(i for i in step if i.bank == "b1") == sum(i.bank == "b1" for i in step)
                    else:
                        twin.remove_item(*step)
                    outcomes.append("done")
                except NotFound:
                    outcomes.append("no bank")
            assert len(set(outcomes)) == 1
            for twin in twins[1:]:
                assert twin.search(asked) == twins[0].search(asked)
                assert twin.search_many([asked[:2], [], asked[2:]]) == twins[0].search_many([asked[:2], [], asked[2:]])
                assert twin.search_exact(asked) == twins[0].search_exact(asked)
                assert twin.sizes() == twins[0].sizes()


def test_searches_see_whole_items_while_others_write(index: FingerprintIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item that is there throughout is always found, whatever is added, replaced and removed beside it."""
    monkeypatch.setattr(flat_module, "FIRST_ROWS", 8)
    index.put_bank(Bank(name="own"))
    always = sha256(1), pdq(1)
    index.put_item(item("always", *always))
    index.search(always)  # compiles
    stop = threading.Event()
    wrong: list[str] = []

    def write(seed: int) -> None:
        rng, round = random.Random(seed), 0
        while not stop.is_set():
            round += 1
            index.put_item(item(f"{seed}-{round % 50}", pdq(rng.getrandbits(256)), sha256(rng.getrandbits(250))))
            index.remove_item("own", f"{seed}-{(round * 7) % 50}")
            index.put_item(item("always", *always, md5(round)))
            index.put_bank(Bank(name=f"bank {seed} {round % 5}"))
            index.put_item(item("x", sha256(round), bank=f"bank {seed} {round % 5}"))

    def read() -> None:
        while not stop.is_set():
            try:
                found = index.search(always), index.search([pdq(1)]), index.search_exact([always[0]])
                wrong.extend("missed" for matches in found if "always" not in {m.item for m in matches})
            except Exception as error:
                wrong.append(type(error).__name__)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(2)] + [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.wait(1.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
