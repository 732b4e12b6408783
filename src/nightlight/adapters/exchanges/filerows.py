"""One line of a list in a file. No line is an error of the program: it is an item, or a reason why not, or nothing.

- **text**: `pdq <hash>` (what `local_file` of python-threatexchange reads and its `dataset -P` prints), or a hash alone where the
  exchange's option `hash` says of which kind, or where its length does; `#` begins a comment.
- **CSV** with a header: `signal_type` and `signal_str` (`threatexchange dataset --csv`), `type` and `raw_indicator` (`threatexchange
  api ... query`), or a column a kind (`pdq`, `md5`, ...). Without one: `<pdq>,<quality>,<file>`, as the PDQ tools print.
- **JSON lines**: the same names, or `fingerprints` as `nightlight bank items --json` prints.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec
from msgspec import Struct

from nightlight.adapters.exchanges.rows import category_of, digest, fingerprint, kind_of, labels_of, source_of
from nightlight.core.bank import Category, NewItem
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

_KIND = ("signal_type", "type", "kind", "hash_type")
_VALUE = ("signal_str", "signal_val", "signal_value", "signal", "raw_indicator", "indicator", "hash", "value")
_COLUMNS = ("pdq", "sha256", "sha1", "md5", "photodna", "pdna")
_ID = ("source", "id", "content_id", "signal_id")
_LABELS = ("labels", "tags", "label")
_CATEGORY = ("category", "classification")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")
_LENGTHS = {32: FingerprintKind.MD5, 40: FingerprintKind.SHA1}
"""64 digits are a PDQ or a SHA-256: nobody can tell which."""
_MOST_FINGERPRINTS = 64

Read = tuple[NewItem | None, str]
"""The item, and why there is none or less than the line promised; empty: nothing was wrong."""


class Lines(Struct, frozen=True):
    """How a file's lines are written, from its first line and its name."""

    form: str
    """`json`, `csv`, `text`."""
    header: tuple[str, ...] = ()
    separator: str = ","

    @classmethod
    def of(cls, first: bytes, path: str) -> Lines:
        text = first.decode("utf-8-sig", errors="replace").strip()
        if text.startswith("{") or PurePath(path).suffix.lower() in (".jsonl", ".ndjson"):
            return cls("json")
        first_word, space, _ = text.partition(" ")
        if space and "," not in first_word and kind_of(first_word) is not None:
            return cls("text")  # PhotoDNA is written with commas
        separator = "\t" if "\t" in text and PurePath(path).suffix.lower() == ".tsv" else ","
        names = tuple(n.strip().lower() for n in _split(text, separator) or ())
        known = {*_VALUE, *_COLUMNS}
        # One bare word could be a header of one column as well as a kind: only a name that we look for makes it a header.
        if any(n in known for n in names) and not any(len(n) >= 32 for n in names):
            return cls("csv", names, separator)
        return cls("csv" if separator in text else "text", (), separator)


def read_line(raw: bytes, number: int, lines: Lines, kind: FingerprintKind | None, exchange: str) -> Read:
    """Line `number` (1 is the first) of a file. `kind`: of hashes that do not say."""
    if not raw.endswith(b"\n") and len(raw) >= 1024 * 1024:
        return None, "longer than any line of a list"
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError:
        return None, "not UTF-8"
    if not text or text.startswith("#"):
        return None, ""
    if lines.form == "json":
        return _json(text, kind, exchange)
    if lines.form == "text":
        return _text(text, kind, exchange)
    if lines.header and number == 1:
        return None, ""
    cells = _split(text, lines.separator)
    if cells is None:
        return None, "not a row of CSV"
    if not lines.header:
        return _bare(cells, kind, exchange)
    if len(cells) != len(lines.header):
        return None, f"{len(cells)} columns where the header has {len(lines.header)}"
    return _named(dict(zip(lines.header, cells, strict=True)), kind, exchange)


def _text(text: str, kind: FingerprintKind | None, exchange: str) -> Read:
    first, _, rest = text.partition(" ")
    value = rest.split(" ")[0] if rest else first
    said = kind_of(first) if rest else kind or _LENGTHS.get(len(value))
    if said is None:
        return None, "no hash of a picture or video" if rest else "the kind of hash is not said: set the option `hash`"
    return _one(said, value, None, exchange)


def _bare(cells: list[str], kind: FingerprintKind | None, exchange: str) -> Read:
    """`<pdq>,<quality>,<file>`, or `<kind>,<value>`."""
    if len(cells) >= 2 and len(cells[0]) == 64 and cells[1].strip().isdecimal():
        return _one(FingerprintKind.PDQ, cells[0], int(cells[1][:4]), exchange)
    said = kind_of(cells[0])
    if len(cells) == 2 and said is not None and len(cells[0]) < 32:
        return _one(said, cells[1], None, exchange)
    said = kind or _LENGTHS.get(len(cells[0].strip()))
    if said is None:
        return None, "the kind of hash is not said: set the option `hash`"
    return _one(said, cells[0], None, exchange)


def _one(kind: FingerprintKind, value: str, quality: int | None, exchange: str) -> Read:
    made = fingerprint(kind, value, quality)
    if made is None:
        return None, f"not written as {kind.value} is"
    return NewItem(fingerprints=(made,), source=f"file:{digest(kind.value, made.value)}", provenance=exchange), ""


def _json(text: str, kind: FingerprintKind | None, exchange: str) -> Read:
    try:
        row = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None, "not JSON"
    if not isinstance(row, dict):
        return None, "not a JSON object"
    return _named({str(k).lower(): v for k, v in row.items()}, kind, exchange)


def _named(row: Mapping[str, Any], kind: FingerprintKind | None, exchange: str) -> Read:
    found: list[Fingerprint] = []
    wrong = ""
    quality = _number(row.get("quality"))
    for said, value, its_quality in _values(row, kind, quality):
        made = fingerprint(said, value, its_quality) if said is not None else None
        if made is None:
            wrong = f"not written as {said.value} is" if said is not None else "no hash of a picture or video"
        else:
            found.append(made)
    found = list(dict.fromkeys(found))
    if not found or len(found) > _MOST_FINGERPRINTS:
        return None, wrong or ("no fingerprint" if not found else f"more than {_MOST_FINGERPRINTS} fingerprints")
    id = next((str(row[name]) for name in _ID if isinstance(row.get(name), str | int) and str(row[name])), "")
    # A list may give the hashes of one picture on several lines: each is kept, under the id and its own value.
    single = "fingerprints" not in row and len(found) == 1
    value = digest(found[0].kind.value, found[0].value)
    source = source_of("file", f"{id}:{value[:12]}" if single and id else id or value)
    texts = next((_texts(row[name]) for name in _LABELS if row.get(name)), [])
    said_category = next((row[name] for name in _CATEGORY if isinstance(row.get(name), str) and row[name]), None)
    category: Category | None = category_of(said_category) or next((c for t in texts if (c := category_of(t)) is not None), None)
    provenance = row.get("provenance") or row.get("collab") or row.get("owner") or ""
    return (
        NewItem(
            fingerprints=tuple(found),
            labels=labels_of((*texts, None if category_of(said_category) else said_category)),
            source=source,
            category=category,
            generated=_truth(row.get("generated")),
            provenance=f"{exchange}: {_clean(provenance)}" if provenance and isinstance(provenance, str) else exchange,
        ),
        wrong,
    )


def _values(
    row: Mapping[str, Any], kind: FingerprintKind | None, quality: int | None
) -> list[tuple[FingerprintKind | None, str, int | None]]:
    if isinstance(row.get("fingerprints"), list):
        out: list[tuple[FingerprintKind | None, str, int | None]] = []
        for one in row["fingerprints"]:
            if isinstance(one, dict):
                said = str(one.get("kind", ""))
                out.append((kind_of(said.removeprefix("x-")), str(one.get("value", "")), _number(one.get("quality"))))
            else:
                out.append((None, "", None))
        return out
    value = next((row[name] for name in _VALUE if isinstance(row.get(name), str) and row[name]), None)
    named = next((row[name] for name in _KIND if isinstance(row.get(name), str) and row[name]), None)
    if value is not None:
        return [(kind_of(named) if named else kind or _LENGTHS.get(len(value.strip())), value, quality)]
    return [(kind_of(name), row[name], quality) for name in _COLUMNS if isinstance(row.get(name), str) and row[name]]


def _split(text: str, separator: str) -> list[str] | None:
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), None)
    except csv.Error:
        return None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [t for t in value.replace(";", " ").split(" ") if t]
    return [str(v) for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 3 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return True if text in _YES else False if text in _NO else None


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:200]
