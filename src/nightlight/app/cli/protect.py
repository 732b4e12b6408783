"""`nightlight protect`: what is to protect children by default, and how far a service's own settings are from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli import moments
from nightlight.app.cli.common import Exit, Json, emit, table

app = typer.Typer(
    help="Defaults by age and how far a service's settings are from them; words at moments of decision, and components that show them.",
    no_args_is_help=True,
)
app.command("words")(moments.words)
app.command("components")(moments.components)

MOST_BYTES = 4 * 1024 * 1024
Language = Annotated[str, typer.Option(help="Of the reasons: `en` or `es`.")]


@app.command()
def check(
    settings: Annotated[Path, typer.Argument(metavar="SETTINGS.json", help="The service's settings as JSON; `-` reads standard input.")],
    language: Language = "en",
    grade: Annotated[str, typer.Option(help="The least grave that ends with exit status 1: serious, moderate or minor.")] = "serious",
    as_json: Json = False,
) -> None:
    """Compare a service's settings with what they are to be: every deviation, graded, with its source. Exit status 1 on serious ones."""
    import msgspec

    from nightlight.core.errors import Invalid
    from nightlight.core.explain import explain
    from nightlight.core.protections import Grade, ServiceSettings
    from nightlight.protect.defaults import Protections

    try:
        least = list(Grade).index(Grade(grade))
    except ValueError:
        raise Invalid(f"one of {', '.join(Grade)}", field="--grade") from None
    try:
        given = msgspec.json.decode(_read(settings), type=ServiceSettings)
    except (ValueError, RecursionError) as error:
        raise explain(error, ServiceSettings) from None
    found = Protections().check(given, language)
    if as_json:
        for one in found:
            emit(one)
    elif found:
        table(
            ("GRADE", "FEATURE", "AGE", "WHAT", "FOUND", "EXPECTED", "SOURCE"),
            [
                (d.grade, d.feature, d.age_band, d.kind, d.found or "-", d.expected, "; ".join(f"{s.place}: {s.name}" for s in d.sources))
                for d in found
            ],
        )
    if not as_json:
        counts = ", ".join(f"{sum(d.grade is g for d in found)} {g}" for g in Grade)
        typer.echo(f"{len(found)} deviations: {counts}" if found else "no deviations")
    if any(list(Grade).index(d.grade) <= least for d in found):
        raise typer.Exit(Exit.FOUND)


@app.command("list")
def list_(
    place: Annotated[str | None, typer.Option(help="Two letters, such as GB.", show_default="the strictest of all")] = None,
    language: Language = "en",
    as_json: Json = False,
) -> None:
    """What each feature is to be like, by age."""
    import re

    from nightlight.core.errors import Invalid
    from nightlight.protect.defaults import Protections

    if place is not None and not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", place):
        raise Invalid("a country by its two letters, such as GB, with an optional subdivision", field="--place")
    found = Protections().protections(place=place, language=language)
    if as_json:
        for one in found:
            emit(one)
        return
    table(
        ("FEATURE", "AGE", "DEFAULT", "CHILD MAY CHANGE", "GUARDIAN", "REASON"),
        [(p.feature, p.age_band, p.default, _yes(p.child_may_change), _yes(p.guardian_must_agree), p.reason) for p in found],
    )


@app.command()
def schema() -> None:
    """The JSON Schema of what `check` reads."""
    import msgspec

    from nightlight.core.protections import ServiceSettings

    typer.echo(msgspec.json.format(msgspec.json.encode(msgspec.json.schema(ServiceSettings)), indent=2).decode())


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _read(path: Path) -> bytes:
    import sys

    from nightlight.core.errors import Invalid, NotFound, TooLarge

    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise TooLarge(f"{path} is larger than {MOST_BYTES} bytes")
    return data
