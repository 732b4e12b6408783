"""`nightlight report validate`: what an authority would refuse in a report, before it does."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit
from nightlight.core.errors import Invalid, NotFound

File = Annotated[Path, typer.Argument(help="XML of a `report` or of `fileDetails`; - reads standard input.", show_default=False)]


def validate(
    file: File,
    xsd: Annotated[
        Path | None, typer.Option("--xsd", help="Also hold it against this schema, which `report schema` fetches; needs the extra `xsd`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a CyberTipline document: each fault with its path, one a line. Exit code 1 where there is any."""
    from nightlight.reporting.cybertipline import check

    document = _bytes(file)
    faults = list(check(document, datetime.now(UTC)))
    if xsd is not None:
        from nightlight.adapters.authorities.xsd import faults_of

        faults += faults_of(document, _bytes(xsd))
    for fault in faults:
        if as_json:
            emit(fault)
        else:
            typer.echo(" ".join(str(fault).split()))
    if faults:
        raise typer.Exit(Exit.FOUND)
    if not as_json:
        typer.echo(f"{'standard input' if str(file) == '-' else file}: nothing wrong.", err=True)


def schema(
    out: Annotated[Path, typer.Option("--out", help="The file to write; one that is there is not written over.")],
) -> None:
    """Fetch the authority's own schema (XSD) with the access that the settings give. It is not public: keep it to yourself."""
    from nightlight.app.reports import Access
    from nightlight.app.settings import authority_password, home_folder, load

    home = home_folder()
    given = load(home).authorities.cybertipline
    authority = Access(given, lambda: authority_password(given, home))("ncmec")
    if authority is None:
        raise Invalid("no access to the authority is configured", field="authorities.cybertipline.to")
    found = authority.schema()
    try:
        with out.open("xb") as file:
            file.write(found)
    except OSError as error:
        raise Invalid(f"cannot be written: {error.strerror or type(error).__name__}", field="--out") from None
    typer.echo(f"{len(found)} bytes in {out}.")


def _bytes(file: Path) -> bytes:
    """No more than tells that it is too large: whatever file this is given, it is not read into memory whole."""
    from nightlight.reporting.cybertipline.xmltext import MAX_BYTES

    if str(file) == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFound("there is no such file", field=str(file)) from None
    except (OSError, ValueError) as error:
        raise Invalid(f"cannot be read: {getattr(error, 'strerror', None) or 'the name is no file name'}", field=str(file)) from None
