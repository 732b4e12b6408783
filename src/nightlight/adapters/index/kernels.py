"""The compiled parts of multi-index hashing: permuting, filling bucket tables, and the search in three passes.

All take plain contiguous arrays, hold no interpreter lock, and never read outside an array whatever the numbers in it are: a damaged
file can give a wrong answer until its checksums are looked at, but cannot end the process. Imported by the first search that needs it.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nightlight.adapters.index.layout import BLOCK
from nightlight.adapters.index.scan import _ones, compiled

CANDIDATES = 4096
"""Verified at a time: the scratch of a question stays small however many hashes share a bucket."""
BLOCK_SHIFT = BLOCK.bit_length() - 1
ROOM = 65535
"""The most that fits 16 bits."""


def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the line that holds `array[index]` without waiting for it; harmless for any index."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(made.data, [arguments[1]]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *[ir.IntType(32)] * 3])
        function = cast(Any, cgutils).get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        reading, keep, data = (ir.Constant(ir.IntType(32), n) for n in (0, 3, 1))
        builder.call(function, [pointer, reading, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


prefetch: Any = intrinsic(_prefetch)
"""prefetch(array, index)"""


@compiled
def permute(digests, table, out):  # type: ignore[no-untyped-def]
    """digests: uint8[n, 32], the first byte first; table: `layout.spread()`; out: uint64[n, 4]."""
    for i in range(len(digests)):
        a = b = c = d = np.uint64(0)
        for k in range(32):
            v = np.uint64(digests[i, k])
            a ^= table[k, v, 0]
            b ^= table[k, v, 1]
            c ^= table[k, v, 2]
            d ^= table[k, v, 3]
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def field(words, at, low, bits):  # type: ignore[no-untyped-def]
    """`bits` bits of the hash whose four words begin at `words[at]`, from bit `low` on."""
    word, shift = low >> 6, np.uint64(low & 63)
    value = words[at + word] >> shift
    if (low & 63) + bits > 64:
        value |= words[at + word + 1] << (np.uint64(64) - shift)
    return np.int64(value & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1)))


@compiled
def chunk_keys(words, low, bits, out):  # type: ignore[no-untyped-def]
    """out: uint32[n], the chunk of each hash in words: uint64[4 n]."""
    for i in range(len(out)):
        out[i] = field(words, 4 * i, low, bits)


@compiled
def count_keys(keys, ends):  # type: ignore[no-untyped-def]
    """Adds up in ends: uint32[buckets + 1], shifted by one: after `running`, `ends[k]` is where bucket `k` begins."""
    for i in range(len(keys)):
        ends[np.int64(keys[i]) + 1] += np.uint32(1)


@compiled
def running(ends, near, extra, base, first):  # type: ignore[no-untyped-def]
    """Counts to places, in `ends` and in the packed form: base[block] + near + (extra << 16). False where `extra` is needed and empty.

    first: what the places are counted from. `near` may be longer than `ends`; what is beyond is the end.
    """
    total, at_base, fits = np.uint32(0), np.uint32(0), True
    for k in range(len(near)):
        if k < len(ends):
            total += ends[k]
            ends[k] = total
        if k % BLOCK == 0:
            at_base = total
            base[k >> BLOCK_SHIFT] = np.uint32(first) + total
        apart = total - at_base
        near[k] = np.uint16(apart & np.uint32(ROOM))
        if len(extra) > 1:
            extra[k] = np.uint16(apart >> np.uint32(16))
        elif apart > ROOM:
            fits = False
    return fits


@compiled
def fill(keys, ends, ids):  # type: ignore[no-untyped-def]
    """Write each key's number into its bucket, in rising order; `ends[k]` becomes where bucket `k` ends."""
    for i in range(len(keys)):
        k = np.int64(keys[i])
        ids[ends[k]] = i
        ends[k] += np.uint32(1)


@compiled
def near_rows(  # type: ignore[no-untyped-def]
    asked, table, words, near, extra, base, ids, shape, masks, mask_starts, owner, state, group, limits, out
):
    """Write (question, item, distance) of each row within its item's limit; how many there are, even where `out` holds fewer.

    asked: uint8[q, 32], as written; table: `layout.spread()`; words: uint64[4 n], permuted. near, extra, base, ids: the tables of all
    chunks one after another. shape: int64[chunks, 4], of each chunk: first bucket, first bit, bits, radius. masks, mask_starts: what to
    flip in each chunk. owner: uint32[n], each row's item; state: uint8[m], 0 where it matches; group: uint32[m], its place in limits:
    int32, in bits.
    """
    chunks, rows, items = len(shape), len(words) // 4, len(state)
    buckets, wide, shift = np.uint64(len(near)), len(extra) > 1, np.uint64(BLOCK_SHIFT)
    most = np.int64(-1)
    for g in range(len(limits)):
        most = max(most, np.int64(limits[g]))
    here, keys = np.empty((1, 4), np.uint64), np.empty(chunks, np.uint64)
    first = np.empty(len(masks), np.int64)
    last = np.empty(len(masks), np.int64)
    chunk_of = np.empty(len(masks), np.uint8)
    rows_found = np.empty(CANDIDATES, np.int64)
    chunks_found = np.empty(CANDIDATES, np.uint8)
    hits, limit = 0, np.uint64(max(most, np.int64(0)))
    if most < 0 or rows == 0:
        return hits
    for q in range(len(asked)):
        permute(asked[q : q + 1], table, here)
        own = here[0]
        a, b, c, d = own[0], own[1], own[2], own[3]
        # 1: which buckets; their places are asked for.
        for j in range(chunks):
            key = np.uint64(field(own, 0, shape[j, 1], shape[j, 2]))
            keys[j] = key
            start = np.uint64(shape[j, 0])
            for t in range(mask_starts[j], mask_starts[j + 1]):
                p = start + (key ^ np.uint64(masks[t]))
                prefetch(near, p)
                prefetch(base, p >> shift)
        # 2: what they hold; the lists are asked for.
        held = 0
        for j in range(chunks):
            key, start = keys[j], np.uint64(shape[j, 0])
            if start + (np.uint64(1) << np.uint64(shape[j, 2])) >= buckets:
                continue
            for t in range(mask_starts[j], mask_starts[j + 1]):
                p = start + (key ^ np.uint64(masks[t]))
                after = p + np.uint64(1)
                lo = np.int64(base[p >> shift]) + np.int64(near[p])
                hi = np.int64(base[after >> shift]) + np.int64(near[after])
                if wide:
                    lo += np.int64(extra[p]) << 16
                    hi += np.int64(extra[after]) << 16
                if hi > lo and hi <= len(ids):
                    first[held], last[held], chunk_of[held] = lo, hi, j
                    held += 1
                    prefetch(ids, np.uint64(lo))
        # 3 and 4: the hashes are asked for, and then looked at.
        t, at = 0, np.int64(0)
        if held:
            at = first[0]
        while t < held:
            found = 0
            while t < held and found < CANDIDATES:
                stop = min(last[t], at + CANDIDATES - found)
                for place in range(at, stop):
                    row = np.int64(ids[place])
                    rows_found[found] = row
                    chunks_found[found] = chunk_of[t]
                    found += 1
                    prefetch(words, np.uint64(row) << np.uint64(2))
                at = stop
                if at == last[t]:
                    t += 1
                    if t < held:
                        at = first[t]
            for f in range(found):
                row = rows_found[f]
                if row >= rows:
                    continue
                # Unsigned places spare numba's look at whether they count from the end. Half of the bits mostly settle it.
                u = np.uint64(row) << np.uint64(2)
                half = _ones(words[u] ^ a) + _ones(words[u + np.uint64(1)] ^ b)
                if half > limit:
                    continue
                apart = np.int64(half + _ones(words[u + np.uint64(2)] ^ c) + _ones(words[u + np.uint64(3)] ^ d))
                if apart > most:
                    continue
                w = 4 * row
                item = np.int64(owner[row])
                if item >= items or state[item] != 0 or np.int64(group[item]) >= len(limits) or apart > limits[group[item]]:
                    continue
                # A neighbour lies within reach in many chunks: only the first one tells of it.
                told = False
                for j in range(chunks_found[f]):
                    low, bits = shape[j, 1], shape[j, 2]
                    if np.int64(_ones(np.uint64(field(words, w, low, bits) ^ field(own, 0, low, bits)))) <= shape[j, 3]:
                        told = True
                        break
                if not told:
                    if hits < len(out):
                        out[hits, 0], out[hits, 1], out[hits, 2] = q, item, apart
                    hits += 1
    return hits


@compiled
def mix(data, start, stop, seed):  # type: ignore[no-untyped-def]
    """FNV-1a over `data[start:stop]`, 64 bits, with the avalanche of MurmurHash3: spreads names over buckets, and protects nothing."""
    value = np.uint64(0xCBF29CE484222325) ^ np.uint64(seed)
    for i in range(start, stop):
        value = (value ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    return value ^ (value >> np.uint64(33))


@compiled
def name_keys(names, name_at, group, bits, out):  # type: ignore[no-untyped-def]
    """out: uint32[m], the bucket of each item by its name and bank. names: uint8, name_at: int64[m + 1]."""
    for i in range(len(out)):
        out[i] = mix(names, name_at[i], name_at[i + 1], group[i]) >> np.uint64(64 - bits)


@compiled
def digest_keys(values, bits, out):  # type: ignore[no-untyped-def]
    """out: uint32[n], the bucket of each byte hash by its first bits. values: uint8[n, width]."""
    for i in range(len(out)):
        out[i] = mix(values[i], 0, values.shape[1], 0) >> np.uint64(64 - bits)


@compiled
def places(near, extra, base, bucket):  # type: ignore[no-untyped-def]
    """Where a bucket begins and ends, from the packed form."""
    lo = np.int64(base[bucket >> BLOCK_SHIFT]) + np.int64(near[bucket])
    hi = np.int64(base[(bucket + 1) >> BLOCK_SHIFT]) + np.int64(near[bucket + 1])
    if len(extra) > 1:
        lo += np.int64(extra[bucket]) << 16
        hi += np.int64(extra[bucket + 1]) << 16
    return lo, hi


@compiled
def find_names(  # type: ignore[no-untyped-def]
    asked, asked_at, asked_group, names, name_at, group, near, extra, base, ids, bits, out
):
    """out: int64[k], the last item of each asked name and bank, or -1. `asked_group` is in the numbers of the table's own banks."""
    for k in range(len(out)):
        out[k] = -1
        start, stop = asked_at[k], asked_at[k + 1]
        bucket = np.int64(mix(asked, start, stop, asked_group[k]) >> np.uint64(64 - bits))
        if bucket + 1 >= len(near):
            continue
        lo, hi = places(near, extra, base, bucket)
        for at in range(max(lo, 0), min(hi, len(ids))):
            item = np.int64(ids[at])
            if item >= len(group) or group[item] != asked_group[k]:
                continue
            begin = name_at[item]
            if begin < 0 or name_at[item + 1] - begin != stop - start or name_at[item + 1] > len(names):
                continue
            same = True
            for i in range(stop - start):
                if names[begin + i] != asked[start + i]:
                    same = False
                    break
            if same:
                out[k] = item


@compiled
def find_digest(value, values, near, extra, base, ids, bits, out):  # type: ignore[no-untyped-def]
    """Write the places of `value` in values: uint8[n, width]; how many there are, even where `out` holds fewer."""
    found = 0
    bucket = np.int64(mix(value, 0, len(value), 0) >> np.uint64(64 - bits))
    if bucket + 1 >= len(near):
        return found
    lo, hi = places(near, extra, base, bucket)
    for at in range(max(lo, 0), min(hi, len(ids))):
        place = np.int64(ids[at])
        if place >= len(values):
            continue
        same = True
        for i in range(len(value)):
            if values[place, i] != value[i]:
                same = False
                break
        if same:
            if found < len(out):
                out[found] = place
            found += 1
    return found


@compiled
def repeats(names, name_at, group, keys, near, extra, base, ids, out):  # type: ignore[no-untyped-def]
    """out: uint8[m], 1 where a later item has the same name and bank. keys: uint32[m], from `name_keys`."""
    for item in range(len(out)):
        lo, hi = places(near, extra, base, np.int64(keys[item]))
        start, length = name_at[item], name_at[item + 1] - name_at[item]
        for at in range(hi - 1, lo - 1, -1):
            other = np.int64(ids[at])
            if other <= item:
                break
            if group[other] != group[item] or name_at[other + 1] - name_at[other] != length:
                continue
            same = True
            for i in range(length - 1, -1, -1):  # ids made here differ in their last characters
                if names[name_at[other] + i] != names[start + i]:
                    same = False
                    break
            if same:
                out[item] = 1
                break
