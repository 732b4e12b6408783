"""`nightlight hash` and `nightlight match`: files, without a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, files_of, opened, progress, table

if TYPE_CHECKING:
    from nightlight.core.fingerprint import Fingerprint
    from nightlight.senses.media import ScreenedMedia

Files = Annotated[list[Path], typer.Argument(help="Pictures and videos, or folders of them.")]


def hash_files(files: Files, as_json: Json = False) -> None:
    """SHA-256, SHA-1, MD5 and PDQ of pictures, and of a video's frames. Exit code 1 where a file could not be read or decoded."""
    rows: list[tuple[object, ...]] = []
    failed = False
    paths = files_of(files)
    for path in progress(paths, len(paths), "hashing"):
        found, why = _screen(path)
        failed = failed or why is not None
        if as_json:
            emit(_record(path, found, why))
        else:
            rows.append((found.pdq if found and found.pdq else "-", found.quality if found and found.pdq else "-", path, why or ""))
    if not as_json:
        table(("PDQ", "QUALITY", "FILE", ""), rows)
    if failed:
        raise typer.Exit(Exit.FOUND)


def match_files(files: Files, as_json: Json = False) -> None:
    """Look pictures and videos up in the banks. Exit code 1 where a file could not be read or decoded; a match is no failure."""
    from nightlight.senses.media import look_up
    from nightlight.senses.media.sensors import searchable

    def searched(fingerprints: Sequence[Fingerprint]) -> list[Fingerprint]:
        return [f for f in fingerprints if f.kind.is_exact or searchable(f)]

    failed = False
    rows: list[tuple[object, ...]] = []
    paths = files_of(files)
    with opened() as nightlight:
        for path in progress(paths, len(paths), "matching"):
            found, why = _screen(path, thorough=True)
            failed = failed or why is not None
            matches = look_up(nightlight.banks.match, searched(found.fingerprints)) if found else ()
            if as_json:
                emit({**_record(path, found, why), "matches": matches})
            else:
                rows.extend(
                    (path, m.bank, m.item, m.kind.value, m.variant.value if m.variant else "", m.distance, m.threshold) for m in matches
                )
                if not matches:
                    rows.append((path, "-", why or "no match", "", "", "", ""))
    if not as_json:
        table(("FILE", "BANK", "ITEM", "BY", "VIEW", "BITS", "OF"), rows)
    if failed:
        raise typer.Exit(Exit.FOUND)


def _screen(path: Path, *, thorough: bool = False) -> tuple[ScreenedMedia | None, str | None]:
    """What came of a file, and why it could not be hashed by likeness, if so."""
    from nightlight.senses.media import screen_bytes

    try:
        data = path.read_bytes()
    except OSError as error:
        return None, error.strerror or type(error).__name__
    found = screen_bytes(data, thorough=thorough)
    return found, found.unreadable


def _record(path: Path, found: ScreenedMedia | None, why: str | None) -> dict[str, Any]:
    record: dict[str, Any] = {"path": str(path)}
    if found is not None:
        record |= {"sha256": found.sha256, "sha1": found.sha1, "md5": found.md5, "pdq": found.pdq, "quality": found.quality}
        record |= {"media_type": found.media_type, "width": found.width, "height": found.height, "size": found.size}
        if found.media_type is not None and found.media_type.startswith("video/"):
            record["frames"] = found.frames
    return record | ({"unreadable": why} if why else {})
