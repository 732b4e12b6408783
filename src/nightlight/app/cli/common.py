"""What the commands share: exit codes, output, and opening the home folder."""

from __future__ import annotations

import glob
import os
import pwd
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nightlight.core.errors import Busy, Conflict, Denied, Invalid, NightlightError, NotFound, Tampered, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight

T = TypeVar("T")

_LOGIN = Path("/proc/self/loginuid")
_NOBODY_LOGGED_IN = 2**32 - 1

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]


class Exit(IntEnum):
    """Documented in docs/reference/exit-codes.md; a test compares the two."""

    OK = 0
    FOUND = 1
    """A check found something, or part of what was asked could not be done; or you said no when you were asked."""
    USAGE = 2
    """A wrong option, or input that is not valid."""
    NOT_FOUND = 3
    CONFLICT = 4
    """The name or id is taken, or the thing is in use; nothing was changed."""
    TAMPERED = 5
    """Sealed content or the audit chain does not authenticate."""
    UNAVAILABLE = 6
    """The database or another part that it needs cannot be reached just now."""
    INTERRUPTED = 130


def exit_code(error: NightlightError) -> Exit:
    """The exit code of an error that reached the top."""
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, Conflict):
        return Exit.CONFLICT
    if isinstance(error, Tampered):
        return Exit.TAMPERED
    if isinstance(error, Busy | Unavailable):
        return Exit.UNAVAILABLE
    if isinstance(error, Denied | Unauthenticated):
        return Exit.USAGE
    return Exit.USAGE


def opened(*, engine: bool = False, place: str | None = None) -> Nightlight:
    """The home folder's object graph; with the engine started where events are to be processed.

    `place`: of parties for whom none is given, in place of the setting.
    """
    import msgspec

    from nightlight.app.bootstrap import bootstrap
    from nightlight.app.settings import Settings, home_folder, load

    home = home_folder()
    settings = load(home)
    if place is not None:
        try:
            settings = msgspec.convert({**msgspec.to_builtins(settings), "place": place}, Settings)
        except msgspec.ValidationError:
            raise Invalid("a place is a country by its two letters, such as GB, with an optional subdivision", field="--place") from None
    return bootstrap(home, settings=settings, start=engine)


def operator() -> str:
    """Who the audit says did it: the account that logged in, which `sudo` does not change, or else the one that runs this.

    Never from the environment, where anybody may write any name: an approval takes another person.
    """
    uid = os.getuid() if (login := _login()) is None else login
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:{uid}"


def _login() -> int | None:
    """The user who logged in, where the kernel keeps that."""
    try:
        uid = int(_LOGIN.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return uid if uid != _NOBODY_LOGGED_IN else None


def emit(value: Any) -> None:
    """One JSON object on a line of its own."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Plain columns that stay readable in a pipe."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(h), *(len(row[n]) for row in cells)]) for n, h in enumerate(headings)]
    for row in [list(headings), *cells]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def progress(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    """The items, with a bar on standard error where somebody is watching."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)


def files_of(paths: Sequence[Path], *, patterns: bool = True) -> list[Path]:
    """Folders become the files in them, and patterns (`*`, `?`, `[...]`, `**` for any folders) the files that they fit, each in order.

    A path that is not there, or a pattern that nothing fits, is kept, so that its absence is reported. `patterns` False: none is one.
    """
    out: list[Path] = []
    for path in paths:
        try:
            if path.is_dir():
                out.extend(sorted(p for p in path.rglob("*") if p.is_file()))
                continue
            if patterns and not path.exists() and glob.has_magic(str(path)):
                fitting = {Path(name) for name in glob.iglob(str(path), recursive=True)}  # noqa: PTH207 - a pattern may be absolute
                out.extend(sorted(p for p in fitting if p.is_file()) or [path])
                continue
        except OSError:
            pass  # such as a name beyond all length: whoever reads the file says so
        out.append(path)
    return out
