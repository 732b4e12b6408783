"""What people look after: cases that wait, limits that a machine set, messages that could not be delivered."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.case import Case

cases = typer.Typer(help="Open cases, and what stands behind one.")
limits = typer.Typer(help="Reversible limits on contacting minors: a person lifts or extends them.", no_args_is_help=True)
outbox = typer.Typer(help="Notifications that could not be delivered.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(help="The account, by the service's own id.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]


@cases.callback(invoke_without_command=True)
def waiting_cases(context: typer.Context, as_json: Json = False) -> None:
    """Open cases, the most urgent first; `show` says what stands behind one."""
    if context.invoked_subcommand is not None:
        return
    with opened() as nightlight:
        waiting = nightlight.database.cases.cases(most=1000)
    if as_json:
        for case in waiting:
            emit(case)
        return
    table(("CASE", "QUEUE", "PRIORITY", "HARM", "LEVEL", "OPENED (UTC)", "FIRST REASON"), map(_row, waiting))


@cases.command()
def show(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    lines: Annotated[
        bool, typer.Option("--lines", help="Name the events, spans and accounts as well, for those who have to read.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Why a case is open, in words that quote nobody. By default redacted: stages and counts only."""
    from nightlight.app.cli.screen import say_explanation
    from nightlight.core.errors import NotFound
    from nightlight.core.explanation import explain_assessment, redacted

    with opened() as nightlight:
        found = nightlight.database.cases.case(case)
        if found is None:
            raise NotFound("there is no such case")
        held = nightlight.database.pipeline.assessments([found.subject]) if found.harm is not None else {}
    about = held.get((found.subject, found.harm)) if found.harm is not None else None
    if about is None:
        # A rule or a detector failed, or the assessment is past its retention: the reasons are all there is.
        if as_json:
            emit({"case": found.id, "queue": found.queue, "level": found.level, "reasons": found.reasons})
            return
        typer.echo(f"{found.id}  {found.queue}  {found.level.value}: no assessment stands behind it")
        for reason in found.reasons:
            typer.echo(f"    because: {reason}")
        return
    explanation = explain_assessment(about)
    hidden = redacted(explanation)
    if as_json:
        emit({"case": found.id, "queue": found.queue, "explanation": explanation if lines else hidden})
        return
    typer.secho(f"{found.id}  {found.queue}  {found.level.value}  {about.harm.value}", bold=True)
    if lines:
        say_explanation(explanation)
        return
    typer.echo(f"    {hidden.summary['en']}")
    for stage, count in hidden.stages.items():
        typer.echo(f"      {stage:<13} {count}")
    typer.echo(f"    {hidden.lines} lines count; --lines says where they are.")


def _row(case: Case) -> tuple[object, ...]:
    opened = f"{case.opened_at:%Y-%m-%d %H:%M}"
    harm = case.harm.value if case.harm else "-"
    return case.id, case.queue, case.priority, harm, case.level.value, opened, next(iter(case.reasons), "")


@limits.command()
def lift(account: Account, reason: Reason) -> None:
    """End a limit now."""
    with opened() as nightlight:
        nightlight.database.limits.lift(nightlight.pseudonymiser("account", account), operator(), reason)
    typer.echo("Lifted.")


@limits.command()
def extend(account: Account, hours: Annotated[float, typer.Option(min=0.1, max=24 * 30)], reason: Reason) -> None:
    """Make a limit last some hours longer, from now."""
    with opened() as nightlight:
        until = nightlight.clock.now() + timedelta(hours=hours)
        nightlight.database.limits.extend(nightlight.pseudonymiser("account", account), until, operator(), reason)
    typer.echo(f"Extended until {until.isoformat(timespec='minutes')}.")


def messages(language: Annotated[str, typer.Option(help="en or es.")] = "en", as_json: Json = False) -> None:
    """What people read under each message key."""
    from nightlight.core.errors import Invalid
    from nightlight.protect import catalogue

    found = catalogue().get(language)
    if found is None:
        raise Invalid(f"there are messages in: {', '.join(catalogue())}", field="language")
    if as_json:
        emit({"language": language, "messages": found})
        return
    for key, words in found.items():
        typer.secho(key, bold=True)
        typer.echo(f"  {words.title}\n  {words.body}")
        typer.echo("  " + " ".join(f"[{label}]" for label in (*(choice.label for choice in words.choices), words.leave)) + "\n")


@outbox.command("dead")
def dead_letters(as_json: Json = False) -> None:
    """Messages that were given up, with the reason."""
    with opened() as nightlight:
        dead = nightlight.database.outbox.dead_letters()
    if as_json:
        for letter in dead:
            emit(letter)
        return
    table(("KEY", "ENDPOINT", "ATTEMPTS", "ERROR"), [(d.key, d.endpoint, d.attempts, d.error) for d in dead])


@outbox.command()
def replay(key: Annotated[str, typer.Argument(help="The message's key.")]) -> None:
    """Send a dead letter again, with the same key and bytes."""
    with opened() as nightlight:
        nightlight.database.outbox.replay(key, operator())
    typer.echo("It will be sent again.")
