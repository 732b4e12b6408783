"""`nightlight hash` and `nightlight match`: files, without a service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, files_of, opened, progress, table
from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import PDQ_MIN_QUALITY, Fingerprint, FingerprintKind

if TYPE_CHECKING:
    from nightlight.core.bank import Match
    from nightlight.senses.media import ScreenedMedia

FEW = 48
"""Fewer files are read in this very process: starting others takes about as long as hashing so many pictures of a megapixel."""
AT_ONCE = 100
"""Bare hashes looked up together."""
FEATURELESS = "featureless: exact copies only"
MOST_BYTES = 2**31
"""Of a file that is read at all."""

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Pictures and videos, folders of them, or quoted patterns such as 'pictures/**/*.jpg'; - reads paths, one a line."),
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Files read at once.", show_default="one a processor")]
Read = tuple[Path, "ScreenedMedia | None", "str | None"]
"""A file, what came of it, and why it could not be hashed by likeness, if so."""


def hash_files(files: Files = None, jobs: Jobs = None, as_json: Json = False) -> None:
    """SHA-256, SHA-1, MD5 and PDQ of pictures, and of a video's frames. Exit code 1 where a file could not be read or decoded."""
    paths = _paths(files)
    if not paths:
        raise typer.BadParameter("name files, folders or patterns, or - to read paths from standard input", param_hint="FILES")
    failed = False
    rows: list[tuple[object, ...]] = []
    for path, found, why in progress(_read(paths, jobs), len(paths), "hashing"):
        failed = failed or why is not None
        if as_json:
            emit(_record(path, found, why))
        else:
            quality = found.quality if found and found.pdq else "-"
            rows.append((found.pdq if found and found.pdq else "-", quality, path, why or _featureless(found)))
    if not as_json:
        table(("PDQ", "QUALITY", "FILE", ""), rows)
    if failed:
        raise typer.Exit(Exit.FOUND)


def match_files(
    files: Files = None,
    pdq: Annotated[list[str] | None, typer.Option(help="A hash of 64 digits; may be repeated, as may the others.")] = None,
    sha256: Annotated[list[str] | None, typer.Option(help="64 digits.")] = None,
    sha1: Annotated[list[str] | None, typer.Option(help="40 digits.")] = None,
    md5: Annotated[list[str] | None, typer.Option(help="32 digits.")] = None,
    hashes: Annotated[
        Path | None, typer.Option(help="A text file of hashes, one a line: KIND VALUE, or the value alone; - reads standard input.")
    ] = None,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Look pictures, videos or bare hashes up in the banks. Exit code 1 where a file or line could not be read; a match is no failure."""
    if hashes == Path("-") and files and Path("-") in files:
        raise typer.BadParameter("standard input can be read once only", param_hint="--hashes")
    given = {FingerprintKind.PDQ: pdq, FingerprintKind.SHA256: sha256, FingerprintKind.SHA1: sha1, FingerprintKind.MD5: md5}
    bare = [_bare(f"{kind.value} {value}", f"--{kind.value}") for kind, values in given.items() for value in values or ()]
    paths = _paths(files)
    if not paths and not bare and hashes is None:
        raise typer.BadParameter("name files, folders or patterns, or give hashes", param_hint="FILES")
    failed = False
    rows: list[tuple[object, ...]] = []

    def tell(record: dict[str, Any], name: object, matches: Sequence[Match], why: str | None) -> None:
        nonlocal failed
        failed = failed or why is not None
        if as_json:
            emit({**record, "matches": matches} if record.get("invalid") is None else record)
            return
        rows.extend((name, m.bank, m.item, m.kind.value, m.variant.value if m.variant else "", m.distance, m.threshold) for m in matches)
        if not matches:
            plain = f"no match; {FEATURELESS}" if record.get("exact_only") else "no match"
            rows.append((name, "-", why or plain, "", "", "", ""))

    with opened() as nightlight:
        look_up = nightlight.services.lookups.look_up
        for path, found, why in progress(_read(paths, jobs, thorough=True), len(paths), "matching"):
            (matches,) = look_up([found.fingerprints]) if found else [()]
            tell(_record(path, found, why), path, matches, why)
        for asked, matches in _looked_up(look_up, bare):
            tell({"hash": asked[0].value, "kinds": [f.kind for f in asked]}, asked[0].value, matches, None)
        for page in _pages(hashes):
            answers = iter([matches for _, matches in _looked_up(look_up, [line for line in page if isinstance(line, list)])])
            for line in page:
                if isinstance(line, str):
                    tell({"invalid": line}, "-", (), line)
                else:
                    tell({"hash": line[0].value, "kinds": [f.kind for f in line]}, line[0].value, next(answers), None)
    if not as_json:
        table(("FILE", "BANK", "ITEM", "BY", "VIEW", "BITS", "OF"), rows)
    if failed:
        raise typer.Exit(Exit.FOUND)


# -- files -------------------------------------------------------------------------------------------------------------------------


def _paths(files: Sequence[Path] | None) -> list[Path]:
    out: list[Path] = []
    for path in files or ():
        # Paths that are read, of `find` say, are names: what looks like a pattern in one of them is none.
        if str(path) == "-":
            out.extend(files_of([Path(os.fsdecode(line)) for line in sys.stdin.buffer.read().splitlines() if line], patterns=False))
        else:
            out.extend(files_of([path]))
    return out


def _lines(path: Path) -> Iterator[str]:
    """Of a text file, or of standard input for `-`."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            yield from (line.decode(errors="replace").lstrip("\ufeff") for line in file)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", field="--hashes") from None


def _read(paths: Sequence[Path], jobs: int | None, *, thorough: bool = False) -> Iterator[Read]:
    """In the order of `paths`. Many are read by confined processes, as a service reads strangers' files; a few in this very process."""
    from nightlight.senses.media import screen_bytes, workers

    count = min(jobs or os.cpu_count() or 1, len(paths))
    if count < 2 or (jobs is None and len(paths) < FEW) or not workers.available:
        for path in paths:
            yield screened(path, lambda data: screen_bytes(data, thorough=thorough))
        return
    yield from _read_together(paths, count, thorough)


def _read_together(paths: Sequence[Path], count: int, thorough: bool) -> Iterator[Read]:
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    from nightlight.senses.media import Decoders

    decoders = Decoders(count)
    pool = ThreadPoolExecutor(count, "nightlight-hash")
    waiting: deque[Future[Read]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(screened, path, lambda data: decoders.screen(data, thorough=thorough)))
            if len(waiting) >= 4 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        decoders.close()


def screened(path: Path, screen: Callable[[bytes], ScreenedMedia]) -> Read:
    """A file's bytes, read and given to `screen`. What is no file, is too large or cannot be read has None, and why."""
    try:
        if not path.is_file() and path.exists():
            return path, None, "not a file"  # a pipe or a device might never end
        if path.stat().st_size > MOST_BYTES:
            return path, None, f"larger than {MOST_BYTES >> 30} GiB"
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        return path, None, getattr(error, "strerror", None) or type(error).__name__
    found = screen(data)
    return path, found, found.unreadable


def _featureless(found: ScreenedMedia | None) -> str:
    """What to say of a picture that has too little structure for its likeness to be searched; empty of any other."""
    known = found is not None and found.unreadable is None
    return FEATURELESS if found and known and (found.quality is None or found.quality < PDQ_MIN_QUALITY) else ""


def _record(path: Path, found: ScreenedMedia | None, why: str | None) -> dict[str, Any]:
    record: dict[str, Any] = {"path": os.fsencode(path).decode(errors="replace")}
    if found is not None:
        record |= {"sha256": found.sha256, "sha1": found.sha1, "md5": found.md5, "pdq": found.pdq, "quality": found.quality}
        record |= {"media_type": found.media_type, "width": found.width, "height": found.height, "size": found.size}
        if _featureless(found):
            record["exact_only"] = True
        if found.media_type is not None and found.media_type.startswith("video/"):
            record["frames"] = found.frames
    return record | ({"unreadable": why} if why else {})


# -- bare hashes -------------------------------------------------------------------------------------------------------------------

LookUp = Callable[[Sequence[Sequence[Fingerprint]]], "Sequence[Sequence[Match]]"]
_BY_DIGITS = {64: (FingerprintKind.SHA256, FingerprintKind.PDQ), 40: (FingerprintKind.SHA1,), 32: (FingerprintKind.MD5,)}


def _bare(line: str, where: str) -> list[Fingerprint]:
    """`KIND VALUE`, with a space, comma or colon between; a value alone is of each kind that has its length. Raises Invalid."""
    words = line.replace(",", " ").replace(":", " ").lower().split()
    value = words[-1] if words else ""
    try:
        kinds = (FingerprintKind(words[0]),) if len(words) == 2 else _BY_DIGITS.get(len(value), ())
    except ValueError:
        kinds = ()
    if not kinds or len(words) > 2 or not all(kind.fits(value) for kind in kinds):
        allowed = ", ".join(f"{kind.value} of {kind.hex_digits}" for kind in FingerprintKind)
        raise Invalid(f"not a hash in hexadecimal digits ({allowed}, or a foreign kind such as x-other)", field=where)
    return [Fingerprint(kind, value) for kind in kinds]


def _looked_up(look_up: LookUp, asked: Sequence[list[Fingerprint]]) -> Iterator[tuple[list[Fingerprint], Sequence[Match]]]:
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        yield from zip(part, look_up(part), strict=True)


def _pages(source: Path | None) -> Iterator[list[list[Fingerprint] | str]]:
    """The hashes of a text file, some hundred lines at a time; a line that is none as what is wrong with it. `#` begins a comment."""
    page: list[list[Fingerprint] | str] = []
    for number, line in enumerate(_lines(source) if source is not None else (), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            page.append(_bare(text, f"line {number}"))
        except Invalid as error:
            page.append(f"line {number}: {error.message}")
        if len(page) == AT_ONCE:
            yield page
            page = []
    if page:
        yield page
