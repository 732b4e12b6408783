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
    follow: Annotated[bool, typer.Option("--follow", help="Read a pipe until it closes, and print alerts as they come.")] = False,
    as_json: Json = False,
) -> None:
    """Decide about every event of a file, in order, and keep what was decided in the home folder.

    A line that is not a valid event is reported with its number and the others are processed; the exit code is then 2.
    With --follow a line may also be {"at", "author", "text", "conversation"}, and only what is to be acted on is printed.
    """
    if follow:
        _follow(file, place, as_json)
        return
    lines = sys.stdin.buffer.read().splitlines() if str(file) == "-" else _read(file)
    bad = unlooked = 0
    missed: Counter[str] = Counter()
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
            unlooked += unread(answer.decision)
            missed.update({why.value for _, why in answer.decision.unread})
            if as_json:
                emit(answer.decision)
            elif worth_saying(answer.decision):
                explain(answer.decision)
    if not as_json:
        typer.echo(f"{sum(levels.values())} events decided: " + (", ".join(f"{n} {level}" for level, n in levels.most_common()) or "none"))
        typer.echo("actions: " + (", ".join(f"{n} {action}" for action, n in actions.most_common()) or "none"))
        typer.echo("Scores are uncalibrated: levels begin where `levels` in nightlight.toml says.")
    _say_unread(unlooked)
    say_not_read(missed)
    if bad:
        raise typer.Exit(Exit.USAGE)


def _follow(file: Path, place: str | None, as_json: bool) -> None:
    """Until the pipe closes, or until we are told to stop: both are ends, not failures."""
    import os
    import signal

    from nightlight.app.cli.follow import Follower

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        descriptor = sys.stdin.fileno() if str(file) == "-" else os.open(file, os.O_RDONLY)
    except OSError as error:
        typer.secho(f"nightlight: {file}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(Exit.NOT_FOUND) from None
    stopped = False
    with opened(engine=True, place=place) as nightlight:
        follower = Follower(nightlight, as_json=as_json)
        try:
            follower.follow(descriptor)
        except KeyboardInterrupt:
            stopped = True
    told = f"{follower.decided} events decided, {follower.alerts} alerts, {follower.bad} lines refused"
    typer.secho(told + (", stopped" if stopped else ""), err=True)
    _say_unread(follower.unread)
    say_not_read(follower.not_read)
    if follower.bad and not stopped:
        raise typer.Exit(Exit.USAGE)


def _say_unread(events: int) -> None:
    if events:
        typer.secho(
            f"{events} events were not looked at: the jurisdiction gate permits no scanning where their parties are, or their place is "
            "unknown. See `gate` in each decision; --place says where parties are for whom the file gives none.",
            err=True,
            fg="yellow",
        )


def say_not_read(missed: Counter[str]) -> None:
    """What detectors could not read: never a silent zero."""
    for why, events in sorted(missed.items()):
        typer.secho(f"{events} events were not read: {why}. That nothing was found in them says nothing.", err=True, fg="yellow")


def worth_saying(decision: Any) -> bool:
    """Whether there is more to do than to let it pass, or a detector declines to judge."""
    return acted_on(decision) or any(one.abstained for one in decision.explanations)


def unread(decision: Any) -> bool:
    """Whether the gate let nobody look at the event's content."""
    return not any(cell.startswith(("content", "reported")) and cell.endswith("permitted") for cell in decision.gate)


def acted_on(decision: Any) -> bool:
    """Whether there is more to do than to let it pass."""
    from nightlight.core.decision import Allow

    return any(not isinstance(action, Allow) for action in decision.actions)


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
            yield refused(number, answer) if isinstance(answer, NightlightError) else answer

    waiting: list[tuple[int, EventBase]] = []
    for number, line in progress(enumerate(lines, 1), len(lines), "screening"):
        if not line.strip():
            continue
        try:
            waiting.append((number, nightlight.events.decode(line)))
        except NightlightError as error:
            yield from settle(waiting)
            waiting = []
            yield refused(number, error)
        if len(waiting) >= CHUNK:
            yield from settle(waiting)
            waiting = []
    yield from settle(waiting)


def refused(number: int, error: Any) -> str:
    where = f" {error.field}:" if error.field else ""
    return f"line {number}:{where} {error.message}"


def explain(decision: Any, where: str = "") -> None:
    harms = ", ".join(harm.value for harm in decision.harms)
    actions = ", ".join(str(action.__struct_config__.tag) for action in decision.actions)
    typer.secho(f"{where or decision.event_id}  {decision.level.value}  {harms}", bold=True)
    typer.echo(f"    actions: {actions}")
    for reason in decision.reasons:
        typer.echo(f"    because: {reason}")
    for one in decision.explanations:
        say_explanation(one)


def say_explanation(explanation: Any) -> None:
    """The paragraph, the stages over time, and the lines that count: where to look, never what they say."""
    typer.echo(f"    {explanation.harm.value}: {explanation.summary['en']}")
    for seen in explanation.stages:
        where = f", first in {seen.first_event}" if seen.first_event else ""
        typer.echo(f"      {seen.stage.value:<13} {seen.first:%Y-%m-%d %H:%M} to {seen.last:%Y-%m-%d %H:%M}, {_times(seen.count)}{where}")
    for line in explanation.lines:
        span = f" characters {line.span[0]} to {line.span[1]}" if line.span is not None else ""
        when = f"{line.at:%Y-%m-%d %H:%M}  " if line.at is not None else ""
        typer.echo(f"      line {when}{line.event}{span}: {line.reason} ({line.cue or line.detector})")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
