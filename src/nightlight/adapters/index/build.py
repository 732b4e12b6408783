"""Makes one immutable file out of several sources, in passes that each hold a small part in memory.

Hashes, names and byte hashes are copied in blocks from the sources (mapped files, mostly) to the new file. Then the tables of the chunks
are made one by one: keys, counts, places, lists; 18 bytes a hash at most are in memory for each table that is being made, whatever the
size of the index. At ten million that is 180 MB a worker, while the old file goes on answering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from msgspec import Struct

from nightlight.adapters.index.columns import EXACT, GONE, Array, Columns
from nightlight.adapters.index.file import Writer
from nightlight.adapters.index.layout import BLOCK, Layout, layout
from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import FingerprintKind

STEP = 1 << 17
"""Rows copied at a time: 4 MiB of hashes."""
MOST_ENTRIES = 2**32 - 1
"""Of all chunks together: places are 32-bit numbers. With 11 chunks that is 390 million hashes."""
NONE = np.zeros(1, np.uint16)

LayoutOf = Callable[[int], Layout]


class Source(Struct, frozen=True):
    columns: Columns
    state: Array
    """uint8[m] as of the moment of the merge: the file's own may be long out of date."""
    release: Callable[[], None] = lambda: None
    """Lets go of the pages that were mapped to read the columns."""


class Plan(Struct, frozen=True):
    """Which items of a source are written, and under which number."""

    source: Source
    keep: Array
    """bool[m]: written, if only to say that it is gone."""
    whole: Array
    """bool[m]: with its fingerprints."""
    number: Array
    """uint32[m]: the new number where kept."""


def build(
    writer: Writer, sources: Sequence[Source], *, full: bool, workers: int, about: Mapping[str, Any], layout_of: LayoutOf = layout
) -> None:
    """Write all that is live or disabled in the sources, the later winning where two name the same item.

    `full`: nothing older remains, so what is gone is forgotten; else it is written down, to be struck out of what is older.
    """
    plans, banks = _plan(sources, full), _banks(sources)
    items = sum(int(plan.keep.sum()) for plan in plans)
    rows = sum(_count(plan, plan.source.columns.owner) for plan in plans)
    chosen = layout_of(rows)
    if rows * len(chosen.bits) > MOST_ENTRIES:
        raise Invalid(f"{rows} hashes are more than one index holds", field="index")
    states = _copy_items(writer, plans, banks, items)
    held = {FingerprintKind.PDQ: rows}
    _stream(writer, "words", np.uint64, (rows, 4), _rows(plans, lambda c: c.words, lambda c: c.owner))
    _stream(writer, "owner", np.uint32, (rows,), _owners(plans, lambda c: c.owner))
    for kind in EXACT:
        held[kind] = sum(_count(p, p.source.columns.value_owner[kind]) for p in plans)
        shape = held[kind], kind.hex_digits // 2
        _stream(writer, f"{kind}.values", np.uint8, shape, _rows(plans, lambda c, k=kind: c.values[k], lambda c, k=kind: c.value_owner[k]))  # type: ignore[misc]
        _stream(writer, f"{kind}.owner", np.uint32, (held[kind],), _owners(plans, lambda c, k=kind: c.value_owner[k]))  # type: ignore[misc]
        _digest_table(writer, f"{kind}", held[kind])
    repeated = _name_table(writer, items)
    states[repeated] = GONE
    writer.put("state", states)
    for kind in (FingerprintKind.PDQ, *EXACT) if len(repeated) else ():
        owner = writer.mapped("owner" if kind is FingerprintKind.PDQ else f"{kind}.owner")
        held[kind] -= sum(int(np.isin(owner[part], repeated).sum()) for part in _blocks(len(owner)))
    _chunk_tables(writer, rows, chosen, workers)
    known = {"rows": rows, "items": items, "low": chosen.low, "bits": chosen.bits, "banks": list(banks)}
    writer.finish({**about, **known, "held": {kind.value: count for kind, count in held.items()}})


def _banks(sources: Sequence[Source]) -> dict[str, int]:
    banks: dict[str, int] = {}
    for source in sources:
        for bank in source.columns.banks:
            banks.setdefault(bank, len(banks))
    return banks


def _plan(sources: Sequence[Source], full: bool) -> list[Plan]:
    plans, first = [], 0
    for source in sources:
        whole = source.state != GONE
        keep = whole if full else np.ones(len(whole), bool)
        number = np.cumsum(keep, dtype=np.uint32) + np.uint32((first - 1) % 2**32)  # wraps round where nothing is kept yet
        plans.append(Plan(source, keep, whole, number))
        first += int(keep.sum())
    return plans


def _blocks(length: int) -> Iterator[slice]:
    return (slice(start, min(length, start + STEP)) for start in range(0, length, STEP))


def _count(plan: Plan, owner: Array) -> int:
    return sum(int(plan.whole[owner[part]].sum()) for part in _blocks(len(owner)))


def _rows(plans: Sequence[Plan], values: Callable[[Columns], Array], owners: Callable[[Columns], Array]) -> Iterator[Array]:
    for plan in plans:
        found, owner = values(plan.source.columns), owners(plan.source.columns)
        for part in _blocks(len(owner)):
            wanted = plan.whole[owner[part]]
            yield found[part] if wanted.all() else found[part][wanted]
        plan.source.release()


def _owners(plans: Sequence[Plan], owners: Callable[[Columns], Array]) -> Iterator[Array]:
    for plan in plans:
        owner = owners(plan.source.columns)
        for part in _blocks(len(owner)):
            block = owner[part]
            yield plan.number[block[plan.whole[block]]]
        plan.source.release()


def _stream(writer: Writer, name: str, kind: Any, shape: tuple[int, ...], blocks: Iterator[Array]) -> None:
    writer.reserve(name, kind, shape)
    at = 0
    for block in blocks:
        writer.put(name, block, at)
        at += len(block)


def _copy_items(writer: Writer, plans: Sequence[Plan], banks: Mapping[str, int], items: int) -> Array:
    """Everything of the items but their states, which are returned: that an item is named twice comes out later."""
    writer.reserve("group", np.uint32, (items,))
    writer.reserve("state", np.uint8, (items,))
    writer.reserve("name_at", np.int64, (items + 1,))
    writer.reserve("names", np.uint8, (sum(int(length.sum()) for plan in plans for _, length in _lengths(plan)),))
    writer.put("name_at", np.zeros(1, np.int64))
    item, byte = 0, 0
    for plan in plans:
        c = plan.source.columns
        groups = np.array([banks[bank] for bank in c.banks], np.uint32)
        for part, length in _lengths(plan):
            keep = plan.keep[part]
            writer.put("group", groups[c.group[part][keep]], item)
            writer.put("name_at", byte + np.cumsum(length), item + 1)
            writer.put("names", _names(c, part, keep), byte)
            item += len(length)
            byte += int(length.sum())
        plan.source.release()
    return np.concatenate([np.zeros(0, np.uint8), *(plan.source.state[plan.keep] for plan in plans)])


def _lengths(plan: Plan) -> Iterator[tuple[slice, Array]]:
    """Blocks of items, and the lengths of the names of those that are kept."""
    for part in _blocks(len(plan.keep)):
        yield part, np.diff(plan.source.columns.name_at[part.start : part.stop + 1])[plan.keep[part]]


def _names(columns: Columns, part: slice, keep: Array) -> Array:
    at = columns.name_at[part.start : part.stop + 1]
    raw = columns.names[at[0] : at[-1]]
    return raw if keep.all() else raw[np.repeat(keep, np.diff(at))]


def _bits(count: int) -> int:
    """Of a table of names or byte hashes: about as many buckets as entries."""
    return min(28, max(6, count.bit_length() - 1))


def _name_table(writer: Writer, items: int) -> Array:
    """The table of the items' names. Returns the numbers of those that a later item of the same name replaces."""
    from nightlight.adapters.index import kernels

    names, name_at, group = (writer.mapped(n) for n in ("names", "name_at", "group"))
    bits = _bits(items)
    keys = np.empty(items, np.uint32)
    kernels.name_keys(names, name_at, group, bits, keys)
    near, extra, base, ids = _table(keys, bits, 0)
    for name, array in (("near", near), ("extra", extra), ("base", base), ("ids", ids)):
        writer.add(f"name.{name}", array)
    repeated = np.zeros(items, np.uint8)
    kernels.repeats(names, name_at, group, keys, near, extra, base, ids, repeated)
    return np.flatnonzero(repeated)


def _digest_table(writer: Writer, kind: str, count: int) -> None:
    from nightlight.adapters.index import kernels

    bits = _bits(count)
    keys = np.empty(count, np.uint32)
    kernels.digest_keys(writer.mapped(f"{kind}.values"), bits, keys)
    for name, array in zip(("near", "extra", "base", "ids"), _table(keys, bits, 0), strict=True):
        writer.add(f"{kind}.{name}", array)


def _table(keys: Array, bits: int, first: int) -> tuple[Array, Array, Array, Array]:
    """near, extra, base, ids of one bucket table over `keys`: uint32[n], each below 2^bits."""
    from nightlight.adapters.index import kernels

    buckets = (1 << bits) + BLOCK
    near, base = np.empty(buckets, np.uint16), np.empty(buckets // BLOCK, np.uint32)
    ends = _counted(keys, bits)
    extra = NONE
    if not kernels.running(ends, near, extra, base, first):
        extra = np.empty(buckets, np.uint16)
        kernels.running(_counted(keys, bits), near, extra, base, first)
    ids = np.empty(len(keys), np.uint32)
    kernels.fill(keys, ends, ids)
    return near, extra, base, ids


def _counted(keys: Array, bits: int) -> Array:
    from nightlight.adapters.index import kernels

    ends = np.zeros((1 << bits) + 1, np.uint32)
    kernels.count_keys(keys, ends)
    return ends


def _chunk_tables(writer: Writer, rows: int, chosen: Layout, workers: int) -> None:
    from nightlight.adapters.index import kernels

    starts = chosen.starts
    writer.reserve("near", np.uint16, (int(starts[-1]),))
    writer.reserve("base", np.uint32, (int(starts[-1]) // BLOCK,))
    writer.reserve("ids", np.uint32, (rows * len(chosen.bits),))
    words = writer.mapped("words").reshape(-1)

    def make(chunk: int) -> Array:
        keys = np.empty(rows, np.uint32)
        kernels.chunk_keys(words, chosen.low[chunk], chosen.bits[chunk], keys)
        near, extra, base, ids = _table(keys, chosen.bits[chunk], chunk * rows)
        writer.put("near", near, int(starts[chunk]))
        writer.put("base", base, int(starts[chunk]) // BLOCK)
        writer.put("ids", ids, chunk * rows)
        return extra

    with ThreadPoolExecutor(workers, "nightlight-index") as pool:
        extras = list(pool.map(make, range(len(chosen.bits))))
    if all(len(extra) == 1 for extra in extras):
        writer.add("extra", NONE)
        return
    # Thousands share a few buckets: 16 bits do not reach. The upper halves double the table, for as long as it is so.
    writer.reserve("extra", np.uint16, (int(starts[-1]),))
    for chunk, extra in enumerate(extras):
        size = int(starts[chunk + 1] - starts[chunk])
        writer.put("extra", extra if len(extra) > 1 else np.zeros(size, np.uint16), int(starts[chunk]))
