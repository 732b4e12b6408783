"""Items as plain arrays: what a merge reads, whether it comes from a file, from items just added, or from a bulk load on its way in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.adapters.index.shared import Item, check
from nightlight.adapters.index.veil import PLAIN, Veil
from nightlight.core.bank import BankItem
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

EXACT = tuple(kind for kind in FingerprintKind if kind.is_exact)
LIVE, DISABLED, GONE = 0, 1, 2
"""States of an item: it matches; it is held and matches nothing; it was replaced or removed, and older parts must not show it."""
PAGE = 4096

Array = NDArray[Any]


class Columns(Struct, frozen=True, kw_only=True):
    """Rows of an item lie side by side, and items in rising order. Arrays may be mapped files."""

    banks: tuple[str, ...]
    group: Array
    """uint32[m]: the place of each item's bank in `banks`."""
    state: Array
    """uint8[m]"""
    names: Array
    """uint8: the items' ids in UTF-8, one after another."""
    name_at: Array
    """int64[m + 1]: where each begins, and the end."""
    words: Array
    """uint64[n, 4]: PDQ hashes, permuted, and veiled where the index has a key."""
    owner: Array
    """uint32[n]: each hash's item."""
    values: Mapping[FingerprintKind, Array]
    """uint8[k, width] of each exact kind; likewise."""
    value_owner: Mapping[FingerprintKind, Array]
    """uint32[k]"""


def digests(values: Sequence[str], width: int) -> NDArray[np.uint8]:
    """uint8[n, width] of lower-case hexadecimal strings. Raises ValueError where one is not, or not so long."""
    joined = "".join(values)
    raw = bytes.fromhex(joined)
    if len(raw) != width * len(values) or raw.hex() != joined or (values and {len(v) for v in values} != {2 * width}):
        raise ValueError
    return np.frombuffer(raw, np.uint8).reshape(len(values), width)


def permuted(values: NDArray[np.uint8], veil: Veil = PLAIN) -> NDArray[np.uint64]:
    """uint64[n, 4] of PDQ hashes as bytes: uint8[n, 32]."""
    from nightlight.adapters.index.kernels import permute

    out = np.empty((len(values), 4), np.uint64)
    permute(values, veil.table, out)
    return out


def columns(items: Iterable[BankItem], gone: Iterable[Item] = (), veil: Veil = PLAIN) -> Columns:
    """Those items, and those that are gone, in that order. Raises Invalid as `check` does."""
    banks: dict[str, int] = {}
    group, state, names = [], [], []
    hexes: dict[FingerprintKind, list[str]] = {kind: [] for kind in FingerprintKind}
    owners: dict[FingerprintKind, list[int]] = {kind: [] for kind in FingerprintKind}
    items = list(items)
    for number, item in enumerate(items):
        group.append(banks.setdefault(item.bank, len(banks)))
        state.append(LIVE if item.enabled else DISABLED)
        names.append(item.id.encode())
        for fingerprint in _each_once(item.fingerprints):
            hexes[fingerprint.kind].append(fingerprint.value)
            owners[fingerprint.kind].append(number)
    for bank, id in gone:
        group.append(banks.setdefault(bank, len(banks)))
        state.append(GONE)
        names.append(id.encode())
    try:
        values = {kind: digests(hexes[kind], kind.hex_digits // 2) for kind in FingerprintKind}
    except ValueError:
        for item in items:
            check(item)
        raise
    return Columns(
        banks=tuple(banks),
        group=np.array(group, np.uint32),
        state=np.array(state, np.uint8),
        names=np.frombuffer(b"".join(names), np.uint8),
        name_at=np.cumsum([0, *map(len, names)]).astype(np.int64),
        words=permuted(values[FingerprintKind.PDQ], veil),
        owner=np.array(owners[FingerprintKind.PDQ], np.uint32),
        values={kind: veil.hidden(kind, [value.tobytes() for value in values[kind]]) for kind in EXACT},
        value_owner={kind: np.array(owners[kind], np.uint32) for kind in EXACT},
    )


def _each_once(fingerprints: Sequence[Fingerprint]) -> Iterable[Fingerprint]:
    if len(fingerprints) < 2 and not any(f.kind.is_foreign for f in fingerprints):
        return fingerprints
    return {(f.kind, f.value): f for f in fingerprints if not f.kind.is_foreign}.values()


class Spool:
    """Columns that grow on disk, in files that nobody else sees: a bulk load of millions takes no memory to speak of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._banks: dict[str, int] = {}
        self.items = 0

    def add(self, page: Columns) -> None:
        """Behind what is there; `banks` may differ from page to page."""
        groups = np.array([self._banks.setdefault(bank, len(self._banks)) for bank in page.banks], np.uint32)
        self._write("group", groups[page.group])
        self._write("state", page.state)
        self._write("names", page.names)
        self._write("lengths", np.diff(page.name_at))
        self._write("words", page.words)
        self._write("owner", page.owner + np.uint32(self.items))
        for kind in EXACT:
            self._write(f"{kind}", page.values[kind])
            self._write(f"{kind} owner", page.value_owner[kind] + np.uint32(self.items))
        self.items += len(page.group)

    def columns(self) -> Columns:
        return Columns(
            banks=tuple(self._banks),
            group=self._read("group", np.uint32),
            state=self._read("state", np.uint8),
            names=self._read("names", np.uint8),
            name_at=np.concatenate([np.zeros(1, np.int64), np.cumsum(self._read("lengths", np.int64))]),
            words=self._read("words", np.uint64).reshape(-1, 4),
            owner=self._read("owner", np.uint32),
            values={kind: self._read(f"{kind}", np.uint8).reshape(-1, kind.hex_digits // 2) for kind in EXACT},
            value_owner={kind: self._read(f"{kind} owner", np.uint32) for kind in EXACT},
        )

    def _write(self, name: str, values: Array) -> None:
        if values.size:
            if name not in self._files:
                self._files[name] = tempfile.TemporaryFile(dir=self._folder, prefix=".spool-")  # noqa: SIM115 - closed by __exit__
            self._files[name].write(np.ascontiguousarray(values).data)

    def _read(self, name: str, kind: Any) -> Array:
        file = self._files.get(name)
        if file is None:
            return np.zeros(0, kind)
        file.flush()
        return np.memmap(file, kind, "r")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
