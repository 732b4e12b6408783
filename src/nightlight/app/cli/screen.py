"""`nightlight screen`: events from a file, through the whole pipeline."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, progress

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight
    from nightlight.core.event import EventBase

CHUNK = 200


def screen(
    file: Annotated[Path, typer.Argument(help="Wire events, one JSON object a line; - reads standard input.", allow_dash=True)],
    place: Annotated[
        str | None, typer.Option(help="Place of parties for whom the file gives none, such as GB.", envvar="NIGHTLIGHT_PLACE")
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide about every event of a file, in order, and keep what was decided in the home folder.

    A line that is not a valid event is reported with its number and the others are processed; the exit code is then 2.
    """
    lines = sys.stdin.buffer.read().splitlines() if str(file) == "-" else _read(file)
    from nightlight.core.decision import Allow

    bad = unread = 0
    levels: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    with opened(engine=True, place=place) as nightlight:
        for answer in _answers(nightlight, lines):
            if isinstance(answer, str):
                bad += 1
                typer.secho(answer, err=True, fg="yellow")
                continue
            levels[answer.decision.level.value] += 1
            actions.update(str(action.__struct_config__.tag) for action in answer.decision.actions)
            unread += not any(cell.startswith(("content", "reported")) and cell.endswith("permitted") for cell in answer.decision.gate)
            if as_json:
                emit(answer.decision)
            elif any(not isinstance(action, Allow) for action in answer.decision.actions):
                _explain(answer.decision)
    if not as_json:
        typer.echo(f"{sum(levels.values())} events decided: " + (", ".join(f"{n} {level}" for level, n in levels.most_common()) or "none"))
        typer.echo("actions: " + (", ".join(f"{n} {action}" for action, n in actions.most_common()) or "none"))
        typer.echo("Scores are uncalibrated: levels begin where `levels` in nightlight.toml says.")
    if unread:
        typer.secho(
            f"{unread} events were not looked at: the jurisdiction gate permits no scanning where their parties are, or their place is "
            "unknown. See `gate` in each decision; --place says where parties are for whom the file gives none.",
            err=True,
            fg="yellow",
        )
    if bad:
        raise typer.Exit(Exit.USAGE)


def _read(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        typer.secho(f"nightlight: {file}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(Exit.NOT_FOUND) from None


def _answers(nightlight: Nightlight, lines: list[bytes]) -> Iterator[Any]:
    """Answers in order; a string where a line was refused."""
    from nightlight.core.errors import NightlightError

    def settle(waiting: list[tuple[int, EventBase]]) -> Iterator[Any]:
        answers = nightlight.events.submit_many([event for _, event in waiting]).result()
        for (number, _), answer in zip(waiting, answers, strict=True):
            yield _refused(number, answer) if isinstance(answer, NightlightError) else answer

    waiting: list[tuple[int, EventBase]] = []
    for number, line in progress(enumerate(lines, 1), len(lines), "screening"):
        if not line.strip():
            continue
        try:
            waiting.append((number, nightlight.events.decode(line)))
        except NightlightError as error:
            yield from settle(waiting)
            waiting = []
            yield _refused(number, error)
        if len(waiting) >= CHUNK:
            yield from settle(waiting)
            waiting = []
    yield from settle(waiting)


def _refused(number: int, error: Any) -> str:
    where = f" {error.field}:" if error.field else ""
    return f"line {number}:{where} {error.message}"


def _explain(decision: Any) -> None:
    harms = ", ".join(harm.value for harm in decision.harms)
    actions = ", ".join(str(action.__struct_config__.tag) for action in decision.actions)
    typer.secho(f"{decision.event_id}  {decision.level.value}  {harms}", bold=True)
    typer.echo(f"    actions: {actions}")
    for reason in decision.reasons:
        typer.echo(f"    because: {reason}")
