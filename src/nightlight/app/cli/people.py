"""What people look after: cases that wait, limits that a machine set, messages that could not be delivered."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.case import Case

limits = typer.Typer(help="Reversible limits on contacting minors: a person lifts or extends them.", no_args_is_help=True)
outbox = typer.Typer(help="Notifications that could not be delivered.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(help="The account, by the service's own id.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]


def cases(as_json: Json = False) -> None:
    """Open cases, the most urgent first."""
    with opened() as nightlight:
        waiting = nightlight.database.cases.cases(most=1000)
    if as_json:
        for case in waiting:
            emit(case)
        return
    table(("CASE", "QUEUE", "PRIORITY", "HARM", "LEVEL", "OPENED (UTC)", "FIRST REASON"), map(_row, waiting))


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
