"""Restricted terms as keyed hashes, and finding them in a search.

Each term is kept as up to four hashes: of its words, of these without spaces, of their skeletons, and of these without spaces. The
key never leaves the key file, so whoever copies the database can neither read the terms nor try words against it. Words live in local
variables of functions that raise nothing while they do: what goes wrong there is told by a line's number, from outside.
"""

from __future__ import annotations

import csv
import hmac
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from nightlight.core.deterrence import MAX_QUERY, MOST_WORDS, Hidden, Readings, TermReader
from nightlight.core.errors import Invalid

LARGEST_FILE, MOST_TERMS = 8 << 20, 100_000
"""Bytes and terms of one list."""
LONGEST_TERM = 200
MAC = 16
"""Bytes kept of each HMAC-SHA256: among 10^6 hashes, one in 10^32 searches would meet one by chance."""
LEAST_RUN_TOGETHER = 5
"""Letters of a term that is also looked for without its spaces, or with signs in it. As in the reader."""

_COLUMNS = {"term", "category"}


class Entry(Struct, frozen=True):
    """One term as it is stored."""

    category: str
    macs: tuple[bytes, ...]
    words: int


class Hasher:
    """HMAC-SHA256 under one key, cut to `MAC` bytes; the form is hashed with the words, so that no form answers for another."""

    def __init__(self, key: bytes, reader: TermReader) -> None:
        self._key, self._reader = Hidden(key), reader

    def entry(self, term: str, category: str) -> Entry | None:
        """None where it holds no word, or more than `MOST_WORDS`."""
        words, skeletons = self._reader.term(term)
        if not 1 <= len(words) <= MOST_WORDS:
            return None
        macs = [self._mac("words", " ".join(words)), self._mac("loose", " ".join(skeletons))]
        if len("".join(skeletons)) >= LEAST_RUN_TOGETHER:
            macs.append(self._mac("run", "".join(skeletons)))
        if len(words) > 1 and len("".join(words)) >= LEAST_RUN_TOGETHER:
            macs.append(self._mac("joined", "".join(words)))
        return Entry(category, tuple(dict.fromkeys(macs)), len(words))

    def of_query(self, query: str, longest: int) -> Hidden:
        """The hashes to look a search up by, a set. `longest`: words of the longest term there is."""
        return Hidden(frozenset(self._of(self._reader.query(query), longest)))

    def _of(self, read: Readings, longest: int) -> Iterator[bytes]:
        for words in read.plain:
            for gram in _grams(words, longest):
                yield self._mac("words", " ".join(words[gram]))
        for gram in _grams(read.loose.words, longest) if any(read.loose.disguised) else ():
            if any(read.loose.disguised[gram]):
                yield self._mac("loose", " ".join(read.loose.words[gram]))
        for word in read.joined:
            yield self._mac("joined", word)
        for piece in read.run_together:
            yield self._mac("run", piece)

    def _mac(self, form: str, text: str) -> bytes:
        # An unpaired surrogate is no text, and must not stop a search: it is hashed as it is.
        return hmac.digest(self._key.value, f"{form}\0{text}".encode("utf-8", "surrogatepass"), "sha256")[:MAC]


def _grams(words: Sequence[str], longest: int) -> Iterator[slice]:
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + longest) + 1):
            yield slice(start, end)


class Met(Struct, frozen=True):
    """A list and a category that a search met."""

    list: str
    category: str


class Snapshot:
    """Every list in force, in memory: hashes alone. Never changed once made; threads share it."""

    def __init__(self, rows: Iterable[tuple[bytes, str, str]], longest: int, expires: Mapping[str, datetime | None]) -> None:
        """`rows`: hash, list and category."""
        held: dict[bytes, set[Met]] = {}
        shared: dict[tuple[str, str], Met] = {}
        for mac, list_, category in rows:
            held.setdefault(bytes(mac), set()).add(shared.setdefault((list_, category), Met(list_, category)))
        self._held, self.longest, self._expires = held, longest, dict(expires)

    def __len__(self) -> int:
        return len(self._held)

    def find(self, macs: Hidden, now: datetime) -> tuple[Met, ...]:
        """What is met, by list and category; a list that has expired meets nothing."""
        held = self._held
        found = {met for mac in macs.value if mac in held for met in held[mac]}
        return tuple(sorted((m for m in found if self._in_force(m.list, now)), key=lambda m: (m.list, m.category)))

    def _in_force(self, list_: str, now: datetime) -> bool:
        until = self._expires.get(list_)
        return until is None or now < until


def matches(snapshot: Snapshot, hasher: Hasher, query: Hidden, now: datetime) -> tuple[Met, ...] | None:
    """None where something in it failed: it is never told what, as what it was about would be told with it."""
    if not len(snapshot):
        return ()
    try:
        return snapshot.find(hasher.of_query(query.value[:MAX_QUERY], snapshot.longest), now)
    except Exception:  # the traceback would hold the words
        return None


def read_terms(raw: Hidden, hasher: Hasher, category: str, categories: Iterable[str]) -> list[Entry]:
    """The entries of a list as a file holds it: UTF-8, one term a line or CSV whose header has `term` and may have `category`.

    Lines that begin with `#` are passed over. Raises Invalid naming a line by its number; nothing that is in it is told, nor held by
    the error.
    """
    known = frozenset(categories)
    if category not in known:
        raise Invalid(f"the table has no such category; it has: {', '.join(sorted(known))}", field="category")
    found = _read(raw, hasher, category, known)
    if isinstance(found, str):
        raise Invalid(found, field="terms")
    return found


def _read(raw: Hidden, hasher: Hasher, category: str, known: frozenset[str]) -> list[Entry] | str:
    """Raises nothing: what is wrong is returned."""
    try:
        return _entries(raw.value, hasher, category, known)
    except Exception as error:  # whatever it is, its traceback holds the terms
        return f"the list cannot be read: {type(error).__name__}"


def _entries(raw: bytes, hasher: Hasher, category: str, known: frozenset[str]) -> list[Entry] | str:
    if len(raw) > LARGEST_FILE:
        return f"the list is larger than {LARGEST_FILE} bytes"
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].count(b"\n")
        return f"line {before + 1} is not UTF-8"
    rows = csv.reader(io.StringIO(text, newline=""))
    columns = {"term": 0}
    held: dict[tuple[str, tuple[bytes, ...]], Entry] = {}
    first = True
    for row in rows:
        if not row or row[0].startswith("#") or not any(cell.strip() for cell in row):
            continue
        names = [cell.strip().lower() for cell in row]
        if first and "term" in names:
            if not set(names) <= _COLUMNS or len(set(names)) != len(names):
                return f"line {rows.line_num}: the columns are term, and category where terms differ in it"
            columns, first = {name: n for n, name in enumerate(names)}, False
            continue
        first = False
        if len(row) > len(columns):
            return f"line {rows.line_num} has more columns than there should be: put a term with a comma in quotes"
        term = row[columns["term"]] if columns["term"] < len(row) else ""
        own = row[columns["category"]].strip() if columns.get("category", len(row)) < len(row) else ""
        if len(term) > LONGEST_TERM:
            return f"line {rows.line_num} is longer than {LONGEST_TERM} characters"
        if own and own not in known:
            return f"line {rows.line_num}: the table has no such category"
        entry = hasher.entry(term, own or category)
        if entry is None:
            return f"line {rows.line_num} holds no word, or more than {MOST_WORDS}"
        held.setdefault((entry.category, entry.macs), entry)
        if len(held) > MOST_TERMS:
            return f"the list holds more than {MOST_TERMS} terms"
    return list(held.values()) or "the list holds no term"
