"""`nightlight protect words` and `nightlight protect components`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, table


def words(
    language: Annotated[str | None, typer.Option(help="en or es; both unless told.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a file of words instead.")] = False,
    as_json: Json = False,
) -> None:
    """How hard the words at each moment, of each message and of the family pages are to read; exit code 1 where one misses its goal."""
    import msgspec

    from nightlight.app.readability import pages
    from nightlight.core.errors import Invalid
    from nightlight.protect import LANGUAGES
    from nightlight.protect.interventions import readings
    from nightlight.protect.interventions import schema as schema_of

    if schema:
        typer.echo(msgspec.json.format(msgspec.json.encode(schema_of())).decode())
        return
    if language not in (None, *LANGUAGES):
        raise Invalid(f"there are words in: {', '.join(LANGUAGES)}", field="language")
    rows = [row for row in (*readings(), *pages()) if language in (None, row.language)]
    if as_json:
        for row in rows:
            emit({**msgspec.structs.asdict(row), "within": row.within})
    else:
        table(
            ("MOMENT", "LANGUAGE", "READER", "WORDS", "WORDS/SENTENCE", "SYLLABLES/WORD", "SCORE", "AGE", "GOAL"),
            [
                (
                    row.key,
                    row.language,
                    row.reader,
                    (r := row.reading).words,
                    f"{r.words / r.sentences:.1f}",
                    f"{r.syllables / r.words:.2f}",
                    f"{r.score:.1f}",
                    r.age,
                    f"{row.goal}{'' if row.within else '  MISSED'}",
                )
                for row in rows
            ],
        )
        typer.echo("SCORE: en Flesch-Kincaid grade (lower is easier), es Fernandez Huerta ease (higher is easier).")
        typer.echo("Formulas count words and syllables. None of this was tried with children.")
    if any(not row.within for row in rows):
        raise typer.Exit(1)


def components(folder: Annotated[Path, typer.Argument(help="Where to write them; made where it is not there.")]) -> None:
    """Write the web components and their words as files, to be served from your own pages."""
    from nightlight.protect import catalogue, moments
    from nightlight.web.components.pages import all_files

    folder.mkdir(parents=True, exist_ok=True)
    written = all_files(moments(), catalogue())
    for name, body in written.items():
        (folder / name).write_bytes(body)
    typer.echo(f"{len(written)} files, {sum(map(len, written.values())):,} bytes, in {folder}")
