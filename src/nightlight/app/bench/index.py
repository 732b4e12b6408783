"""`nightlight bench index`: exact search among many hashes, and faiss BinaryFlat over the same hashes in the same run."""

from __future__ import annotations

import gc
import os
import platform
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.adapters.index import MultiIndex
from nightlight.adapters.index.columns import EXACT, Columns, permuted
from nightlight.adapters.index.veil import Veil
from nightlight.core.bank import Bank, BankItem
from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind

BANK = "bench"
STEP = 1 << 20
QUESTIONS = 2000
"""One by one; half lie 0 to 31 bits from a hash that is there, half are hashes of other pictures."""
KEY = bytes(range(32))
"""Measured as a service has it: with the files veiled."""
ROUNDS = 9
"""Ours and the peer by turns, so that what else the machine does falls on both."""
PEER_QUESTIONS = 6
CHANGES = 100

Hashes = NDArray[np.uint8]


class IndexResult(Struct, frozen=True, kw_only=True):
    size: int
    build_s: float
    """From arrays of hashes and ids to a file on disk, forced there, and searchable."""
    open_s: float
    """From the folder to the first answer; the checksums of the body are compared afterwards, in `verify_s`."""
    verify_s: float
    bytes_per_hash: float
    """By which the process grew (resident set) with opening, checking and `QUESTIONS` searches."""
    file_bytes_per_hash: float
    p50_ms: float
    """One question through the public `search`."""
    p99_ms: float
    queries_per_second: float
    """One thread, `search_many` of 500 questions; median of the rounds."""
    two_thread_speedup: float
    """Questions a second of two threads that search one by one, against one thread; on one core it cannot exceed 1."""
    recall: float
    """Of neighbours planted at every distance 0 to 31, and of all that brute force finds for some questions; nothing else was found."""
    add_visible_ms: float
    """The slowest of 100 additions, 100 disablings and 100 removals, each until a search shows it."""
    peer_p50_ms: float | None
    """faiss BinaryFlat, one thread, one question, all within 31 bits."""
    ratio_to_faiss_flat: float | None
    """`peer_p50_ms / p50_ms`; None where faiss-cpu is not installed."""
    batch_ratio_to_faiss_flat: float | None
    message: str | None
    machine: str
    date: str


def run(size: int, progress: Callable[[str], None] = lambda _: None) -> IndexResult:
    """Raises RuntimeError where an answer is wrong."""
    progress(f"making {size:,} hashes")
    hashes = like_pictures(size)
    questions, planted = _questions(hashes)
    with tempfile.TemporaryDirectory(prefix="nightlight-bench-") as name:
        folder = Path(name)
        _warm(folder / "warm")
        progress("building")
        columns = _columns(hashes)
        start = time.perf_counter()
        index = _opened(folder / "index")
        index.load(columns)
        build_s = time.perf_counter() - start
        index.close()
        del index, columns
        gc.collect()

        progress("opening")
        before = _resident()
        start = time.perf_counter()
        index = _opened(folder / "index")
        index.search(questions[0])
        open_s = time.perf_counter() - start
        start = time.perf_counter()
        index.verify()
        verify_s = time.perf_counter() - start
        progress("searching")
        for asked in questions[:200]:
            index.search(asked)
        index.search_many(questions)
        grown = _resident() - before
        measured = _rounds(index, questions, hashes)
        file_bytes = index.status().file_bytes
        progress("comparing with brute force")
        recall = _recall(index, hashes, questions, planted)
        speedup = _speedup(index, questions)
        progress("changing")
        changes = _changes(index)
        index.close()
    p50, rate = median(measured.waits) * 1000, median(measured.rates)
    peer = median(measured.peer_waits) * 1000 if measured.peer_waits else None
    waits = sorted(measured.waits)
    return IndexResult(
        size=size,
        build_s=build_s,
        open_s=open_s,
        verify_s=verify_s,
        bytes_per_hash=grown / size,
        file_bytes_per_hash=file_bytes / size,
        p50_ms=p50,
        p99_ms=waits[int(len(waits) * 0.99)] * 1000,
        queries_per_second=rate,
        two_thread_speedup=speedup,
        recall=recall,
        add_visible_ms=max(changes) * 1000,
        peer_p50_ms=peer,
        ratio_to_faiss_flat=peer / p50 if peer is not None else None,
        batch_ratio_to_faiss_flat=rate / median(measured.peer_rates) if measured.peer_rates else None,
        message=None if peer is not None else "faiss-cpu is not installed: `make peers`",
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}",
        date=datetime.now(UTC).date().isoformat(),
    )


def like_pictures(size: int, seed: int = 20260301) -> Hashes:
    """uint8[size, 32]: each bit is the majority of itself and of two neighbours in the 16x16 grid of frequencies, so that bits are
    correlated as those of pictures are."""
    rng = np.random.default_rng(seed)
    out = np.empty((size, 32), np.uint8)
    for start in range(0, size, STEP):
        a = rng.integers(0, 256, (min(STEP, size - start), 32), np.uint8)
        below = np.roll(a, 2, axis=1)
        beside = (a << 1) | (np.roll(a, 1, axis=1) >> 7)
        out[start : start + STEP] = (a & below) | (a & beside) | (below & beside)
    return out


def _questions(hashes: Hashes) -> tuple[list[list[Fingerprint]], list[tuple[int, int]]]:
    """Questions, and of every other one the row that it was made from and how many bits away it lies."""
    pick = random.Random(1)
    others = like_pictures(QUESTIONS, seed=2)
    questions, planted = [], []
    for number in range(QUESTIONS // 2):
        row, apart = pick.randrange(len(hashes)), number % (PDQ_THRESHOLD + 1)
        value = hashes[row].copy()
        for bit in pick.sample(range(256), apart):
            value[bit // 8] ^= 1 << (bit % 8)
        questions += [[_pdq(value)], [_pdq(others[number])]]
        planted.append((row, apart))
    return questions, planted


def _pdq(value: Hashes) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, value.tobytes().hex(), 100)


def _columns(hashes: Hashes) -> Columns:
    """One item a hash, with ids as long as real ones."""
    count = len(hashes)
    names = np.empty((count, 31), np.uint8)
    names[:] = np.frombuffer(b"item_" + b"0" * 26, np.uint8)
    rest = np.arange(count)
    for place in range(30, 20, -1):
        rest, digit = np.divmod(rest, 10)
        names[:, place] = ord("0") + digit
    return Columns(
        banks=(BANK,),
        group=np.zeros(count, np.uint32),
        state=np.zeros(count, np.uint8),
        names=names.reshape(-1),
        name_at=np.arange(count + 1, dtype=np.int64) * 31,
        words=permuted(hashes, Veil(KEY)),
        owner=np.arange(count, dtype=np.uint32),
        values={kind: np.zeros((0, kind.hex_digits // 2), np.uint8) for kind in EXACT},
        value_owner={kind: np.zeros(0, np.uint32) for kind in EXACT},
    )


def _id(row: int) -> str:
    return f"item_{row:026}"


def _opened(folder: Path) -> MultiIndex:
    index = MultiIndex(folder, key=KEY)
    index.put_bank(Bank(name=BANK))
    return index


def _warm(folder: Path) -> None:
    """Compile, as `warm_up` does for a service; a service does it once a machine."""
    index = _opened(folder)
    hashes = like_pictures(1000)
    index.load(_columns(hashes))
    index.put_item(BankItem(id="warm", bank=BANK, fingerprints=(_pdq(hashes[0]),)))
    index.search([_pdq(hashes[1])])
    index.remove_item(BANK, "warm")
    index.close()


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _resident() -> int:
    """Bytes of this process in memory, mapped files with them."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def _recall(index: MultiIndex, hashes: Hashes, questions: Sequence[Sequence[Fingerprint]], planted: Sequence[tuple[int, int]]) -> float:
    found = [{(m.item, m.distance) for m in matches} for matches in index.search_many(questions)]
    wanted: list[set[tuple[str, int]]] = [{(_id(row), apart)} for row, apart in planted]
    hits = sum(len(want & have) for want, have in zip(wanted, found[::2], strict=True))
    total = len(planted)
    for number in range(0, 2 * (PDQ_THRESHOLD + 1), 5):
        want = {(_id(row), apart) for row, apart in _brute_force(hashes, questions[number][0])}
        if found[number] - want:
            raise RuntimeError("the index found what is not there")
        hits += len(want & found[number])
        total += len(want)
    return hits / total


def _brute_force(hashes: Hashes, question: Fingerprint) -> list[tuple[int, int]]:
    words = np.frombuffer(bytes.fromhex(question.value), np.uint64)
    near = []
    for start in range(0, len(hashes), STEP):
        apart = np.bitwise_count(hashes[start : start + STEP].view(np.uint64) ^ words).sum(axis=1, dtype=np.int64)
        near += [(start + int(row), int(apart[row])) for row in np.flatnonzero(apart <= PDQ_THRESHOLD)]
    return near


def _speedup(index: MultiIndex, questions: Sequence[Sequence[Fingerprint]]) -> float:
    def work() -> None:
        for asked in questions:
            index.search(asked)

    def both() -> None:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return median(2 * _timed(work) / _timed(both) for _ in range(3))


def _changes(index: MultiIndex) -> list[float]:
    waits = []
    for number, value in enumerate(like_pictures(CHANGES, seed=3)):
        asked = [_pdq(value)]
        item = BankItem(id=f"new {number}", bank=BANK, fingerprints=(*asked,))
        off = BankItem(id=f"new {number}", bank=BANK, fingerprints=(*asked,), enabled=False)
        row = _id(number)
        steps: list[tuple[Callable[[], None], str, bool]] = [
            (lambda item=item: index.put_item(item), item.id, True),  # type: ignore[misc]
            (lambda off=off: index.put_item(off), item.id, False),  # type: ignore[misc]
            (lambda row=row: index.remove_item(BANK, row), row, False),  # type: ignore[misc]
        ]
        for change, id, there in steps:
            start = time.perf_counter()
            change()
            shown = id in {match.item for match in index.search(asked)}
            waits.append(time.perf_counter() - start)
            if shown is not there:
                raise RuntimeError("a change was not visible when it returned")
    return waits


class _Measured(Struct, frozen=True):
    waits: list[float] = []
    """Seconds a question."""
    rates: list[float] = []
    """Questions a second in batches."""
    peer_waits: list[float] = []
    peer_rates: list[float] = []


def _rounds(index: MultiIndex, questions: Sequence[list[Fingerprint]], hashes: Hashes) -> _Measured:
    peer, measured = _peer(hashes), _Measured()
    for number in range(ROUNDS):
        for asked in questions[number::ROUNDS]:
            measured.waits.append(_timed(lambda: index.search(asked)))  # noqa: B023 - called at once
        measured.rates.append(500 / _timed(lambda: index.search_many(questions[:500])))
        if peer is not None:
            few = questions[number * PEER_QUESTIONS : (number + 1) * PEER_QUESTIONS]
            raw = np.stack([np.frombuffer(bytes.fromhex(q[0].value), np.uint8) for q in few])
            for one in raw:
                measured.peer_waits.append(_timed(lambda: peer(one.reshape(1, 32))))  # noqa: B023 - called at once
            start = time.perf_counter()
            limits, _, rows = peer(raw)
            measured.peer_rates.append(len(raw) / (time.perf_counter() - start))
            for place, matches in enumerate(index.search_many(few)):
                if {_id(int(row)) for row in rows[limits[place] : limits[place + 1]]} != {match.item for match in matches}:
                    raise RuntimeError("faiss and the index disagree")
    return measured


def _peer(hashes: Hashes) -> Callable[[Hashes], Any] | None:
    """faiss BinaryFlat on one thread: everything within 31 bits. None where it is not installed."""
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexBinaryFlat(256)
    flat.add(hashes)
    return lambda asked: flat.range_search(asked, PDQ_THRESHOLD + 1)  # it finds what is nearer than its radius
