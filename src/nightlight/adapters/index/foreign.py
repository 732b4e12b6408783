"""Foreign kinds of fingerprints: plug-ins that compare what Nightlight does not compute, beside any index.

An installed package offers a kind by the entry point group `nightlight.fingerprints`, whose value is a function without arguments that
gives a `core.fingerprint.ForeignKind`. `beside(index, kinds)` is that index and, in memory, what enabled items hold of those kinds. A kind
whose plug-in is missing or broken is kept by the store and matches nothing; what broke is told in readiness and stops nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from itertools import count

import structlog
from msgspec import Struct
from msgspec.structs import replace

from nightlight.adapters.index.shared import Item, found, nearest_first
from nightlight.core.bank import Bank, BankItem, FingerprintIndex, IndexPosition, LastingIndex, Match
from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import Fingerprint, FingerprintKind, ForeignKind, ForeignSearcher

log = structlog.get_logger("nightlight.foreign")

GROUP = "nightlight.fingerprints"
TRIES = 20
"""Searches of one question while items are replaced under it."""
MOST_FOUND = 1000
"""Matches of one value that are taken from a plug-in, the nearest; a searcher that finds everything would stop the service."""


class Loaded(Struct, frozen=True):
    """The plug-ins that are installed."""

    kinds: Mapping[FingerprintKind, ForeignKind] = {}
    problems: tuple[str, ...] = ()
    """Those that could not be opened, each with its package and the type of what went wrong."""


def load_kinds() -> Loaded:
    """Open every plug-in that is installed. One that fails spoils no other; a kind is given out once."""
    kinds: dict[FingerprintKind, ForeignKind] = {}
    problems = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        origin = point.dist.name if point.dist else "unknown"
        try:
            plugin = point.load()()
            kind = _checked(plugin)
            if kind in kinds:
                raise ValueError(f"another plug-in already offers {kind.value}")
            kinds[kind] = plugin
        except Exception as error:  # whatever a plug-in does, the others must run
            problems.append(f"{point.name} of {origin}: {type(error).__name__}: {error}")
    return Loaded(kinds, tuple(problems))


def _checked(plugin: ForeignKind) -> FingerprintKind:
    kind = FingerprintKind(plugin.kind)
    if not kind.is_foreign:
        raise ValueError(f"{kind.value} is a kind that Nightlight computes itself")
    if isinstance(plugin.threshold, bool) or not isinstance(plugin.threshold, int) or plugin.threshold < 0:
        raise ValueError("its threshold is no whole number from 0")
    missing = [name for name in ("check", "searcher") if not callable(getattr(plugin, name, None))]
    if missing:
        raise TypeError(f"it lacks {', '.join(missing)}")
    return kind


class ForeignItems:
    """What enabled items hold of foreign kinds. Safe to search from many threads while one writes.

    An item that is replaced is found as it was or as it is: the new values are put before the old ones are taken away.
    """

    def __init__(self, kinds: Mapping[FingerprintKind, ForeignKind]) -> None:
        self._kinds = kinds
        self._searchers: dict[FingerprintKind, ForeignSearcher] = {}
        self._lock = threading.Lock()
        self._banks: dict[str, Bank] = {}
        self._items: dict[int, Item] = {}
        self._numbers: dict[Item, list[tuple[FingerprintKind, int]]] = {}
        self._next = count()
        self.problems: dict[FingerprintKind, str] = {}
        """What went wrong last in a plug-in that was opened, by its kind: the type of the error only."""
        for kind, plugin in kinds.items():
            try:
                self._searchers[kind] = plugin.searcher()
            except Exception as error:
                self._failed(kind, error)

    def check(self, fingerprint: Fingerprint, field: str) -> None:
        """Raises Invalid, naming the field, where the plug-in says that it is none of its kind. Without one every value is kept."""
        plugin = self._kinds.get(fingerprint.kind)
        if plugin is None:
            return
        try:
            plugin.check(fingerprint.value)
        except Invalid as error:
            raise Invalid(str(error), field=field) from None
        except Exception as error:  # its message may quote the value
            raise Invalid(f"not a {fingerprint.kind.value} fingerprint ({type(error).__name__})", field=field) from None

    def search(self, fingerprints: Iterable[Fingerprint]) -> list[Match]:
        matches: list[Match] = []
        for kind, value in dict.fromkeys((f.kind, f.value) for f in fingerprints):
            searcher = self._searchers.get(kind)
            if searcher is not None:
                matches.extend(self._of(kind, value, searcher))
        return nearest_first(matches)

    def put_bank(self, bank: Bank) -> None:
        with self._lock:
            self._banks = {**self._banks, bank.name: bank}

    def put_item(self, item: BankItem) -> None:
        with self._lock:
            old = self._numbers.pop((item.bank, item.id), [])
            new = [self._put(f, (item.bank, item.id)) for f in _foreign(item.fingerprints)] if item.enabled else []
            kept = [number for number in new if number is not None]
            if kept:
                self._numbers[item.bank, item.id] = kept
            self._forget(old)

    def remove_item(self, bank: str, item: str) -> None:
        with self._lock:
            self._forget(self._numbers.pop((bank, item), []))

    def sizes(self) -> dict[FingerprintKind, int]:
        with self._lock:
            held = dict.fromkeys(self._searchers, 0)
            for kind, _ in (n for numbers in self._numbers.values() for n in numbers):
                held[kind] += 1
            return held

    def _of(self, kind: FingerprintKind, value: str, searcher: ForeignSearcher) -> Iterator[Match]:
        banks = self._banks
        within = {name: self._threshold(bank, kind) for name, bank in banks.items() if bank.enabled}
        if not within:
            return
        for attempt in range(TRIES):
            try:
                near = sorted((int(distance), int(number)) for number, distance in searcher.search(value, max(within.values())))
            except Exception as error:
                self._failed(kind, error)
                return
            held = [(distance, self._items.get(number)) for distance, number in near[:MOST_FOUND]]
            # One that is gone was taken away since: its item may have another number by now, so it is looked for again.
            if attempt == TRIES - 1 or all(item is not None for _, item in held):
                break
        for distance, item in held:
            if item is not None and 0 <= distance <= within.get(item[0], -1):
                yield replace(found(banks[item[0]], item[1], kind, distance), threshold=within[item[0]])

    def _threshold(self, bank: Bank, kind: FingerprintKind) -> int:
        return bank.thresholds.get(kind.value, self._kinds[kind].threshold)

    def _put(self, fingerprint: Fingerprint, item: Item) -> tuple[FingerprintKind, int] | None:
        searcher = self._searchers.get(fingerprint.kind)
        if searcher is None:
            return None
        number = next(self._next)
        self._items[number] = item
        try:
            searcher.put(number, fingerprint.value)
        except Exception as error:
            self._failed(fingerprint.kind, error)
            self._items.pop(number, None)
            return None
        return fingerprint.kind, number

    def _forget(self, numbers: Iterable[tuple[FingerprintKind, int]]) -> None:
        for kind, number in numbers:
            try:
                self._searchers[kind].remove(number)
            except Exception as error:
                self._failed(kind, error)
            self._items.pop(number, None)  # whatever it still holds, it names nothing any more

    def _failed(self, kind: FingerprintKind, error: Exception) -> None:
        if self.problems.get(kind) != type(error).__name__:
            log.error("foreign kind failed", kind=kind.value, error=type(error).__name__)
        self.problems[kind] = type(error).__name__


def _foreign(fingerprints: Iterable[Fingerprint]) -> list[Fingerprint]:
    return list({(f.kind, f.value): f for f in fingerprints if f.kind.is_foreign}.values())


class ForeignIndex:
    """An index of the kinds that are computed here, and foreign ones beside it. Fills `FingerprintIndex`."""

    def __init__(self, index: FingerprintIndex, kinds: Mapping[FingerprintKind, ForeignKind]) -> None:
        self.index, self.foreign = index, ForeignItems(kinds)

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self.search_many([fingerprints])[0]

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        own = self.index.search_many(queries)
        foreign = [self.foreign.search(_foreign(prints)) for prints in queries]
        return [nearest_first([*a, *b]) if b else list(a) for a, b in zip(own, foreign, strict=True)]

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self.index.search_exact(fingerprints)

    def put_bank(self, bank: Bank) -> None:
        self.index.put_bank(bank)
        self.foreign.put_bank(bank)

    def put_item(self, item: BankItem) -> None:
        self.index.put_item(item)
        self.foreign.put_item(item)

    def put_items(self, items: Iterable[BankItem]) -> int:
        return self.index.put_items(self._passing(items))

    def remove_item(self, bank: str, item: str) -> None:
        self.index.remove_item(bank, item)
        self.foreign.remove_item(bank, item)

    def sizes(self) -> Mapping[FingerprintKind, int]:
        return {**self.index.sizes(), **self.foreign.sizes()}

    def load_foreign(self, items: Iterable[BankItem]) -> None:
        """What a lasting index kept over a restart is read once more for the foreign kinds, which are held in memory only."""
        for item in items:
            self.foreign.put_item(item)

    def _passing(self, items: Iterable[BankItem]) -> Iterator[BankItem]:
        for item in items:
            self.foreign.put_item(item)
            yield item


class LastingForeignIndex(ForeignIndex):
    """The same over an index that keeps what it holds. Fills `LastingIndex` too."""

    def __init__(self, index: FingerprintIndex, lasting: LastingIndex, kinds: Mapping[FingerprintKind, ForeignKind]) -> None:
        super().__init__(index, kinds)
        self._lasting = lasting

    def position(self) -> IndexPosition | None:
        return self._lasting.position()

    def mark(self, position: IndexPosition) -> None:
        self._lasting.mark(position)

    def rebuild(self, items: Iterable[BankItem], position: IndexPosition) -> int:
        return self._lasting.rebuild(self._passing(items), position)


def check(index: FingerprintIndex, fingerprints: Sequence[Fingerprint], at: str = "") -> None:
    """Raises Invalid where a plug-in beside the index says that a value is none of its kind, naming the field; `at` is put before it."""
    if isinstance(index, ForeignIndex):
        for place, fingerprint in enumerate(fingerprints):
            index.foreign.check(fingerprint, f"{at}fingerprints[{place}].value")


def beside(index: FingerprintIndex, kinds: Mapping[FingerprintKind, ForeignKind]) -> FingerprintIndex:
    """The index with those foreign kinds beside it; the index itself where there are none."""
    if not kinds:
        return index
    return LastingForeignIndex(index, index, kinds) if isinstance(index, LastingIndex) else ForeignIndex(index, kinds)
