"""`nightlight preserve | emergency`: what authorities ask for, who decided, and what was told."""

from __future__ import annotations

from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator, table
from nightlight.core.requests import PRESERVE_DAYS, Disclosed, Emergency, EmergencyState, Preservation, PreservationState

preserve = typer.Typer(help="Preservation requests: nothing that one covers is deleted until it ends.", no_args_is_help=True)
emergency = typer.Typer(help="Emergency disclosure requests: two people decide, and what was told is recorded.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The request's id.")]
Case = Annotated[str | None, typer.Option("--case", help="The case it is about.")]
Account = Annotated[str | None, typer.Option("--account", help="Or the account, by the service's own id.")]
Authority = Annotated[str, typer.Option("--from", help="Who asks, as they sign.")]
Reference = Annotated[str, typer.Option("--reference", help="Their own number for it.")]
Days = Annotated[int, typer.Option("--days", help="From now; 1 to 366.")]
Why = Annotated[str, typer.Option("--why", help="Why; sealed with the request.")]
_PAGE = 500


@preserve.command("add")
def add_preservation(
    authority: Authority,
    reference: Reference,
    case: Case = None,
    account: Account = None,
    days: Days = PRESERVE_DAYS,
    law: Annotated[str, typer.Option("--law", help="What they rest it on, such as '18 USC 2703(f)'.")] = "",
    note: Annotated[str, typer.Option("--note", help="Anything else; sealed.")] = "",
) -> None:
    """An authority asks to preserve a case, or everything of an account. Prints its id."""
    with opened() as nightlight:
        made = nightlight.database.requests.preserve(
            operator(), authority=authority, reference=reference, case=case, account=account, days=days, law=law, note=note
        )
    typer.echo(made.id)


@preserve.command("renew")
def renew_preservation(id: Id, reference: Reference, days: Days = PRESERVE_DAYS) -> None:
    """They asked again: it holds so long from now, and never shorter than before."""
    with opened() as nightlight:
        _say(nightlight.database.requests.renew(id, operator(), reference=reference, days=days))


@preserve.command("release")
def release_preservation(id: Id, why: Why) -> None:
    """End it before its time. What it kept follows its usual clocks again."""
    with opened() as nightlight:
        _say(nightlight.database.requests.release(id, operator(), why))


@preserve.command("list")
def list_preservations(
    everything: Annotated[bool, typer.Option("--all", help="Those that ended, too.")] = False,
    as_json: Json = False,
) -> None:
    """What is preserved for whom, and until when."""
    rows, after = [], None
    with opened() as nightlight:
        state = None if everything else PreservationState.ACTIVE
        while page := nightlight.database.requests.preservations(state, after=after, most=_PAGE):
            for one in page:
                if as_json:
                    emit(one)
                covers = one.case or f"account {one.account}"
                rows.append((one.id, one.state.value, f"{one.until:%Y-%m-%d}", one.authority, one.reference, covers))
            after = page[-1].id
    if not as_json:
        table(("REQUEST", "STATE", "UNTIL", "FROM", "REFERENCE", "COVERS"), rows)


@emergency.command("add")
def add_emergency(
    authority: Authority,
    reference: Reference,
    contact: Annotated[str, typer.Option("--contact", help="Who asks, and the number you found for them yourself.")],
    danger: Annotated[str, typer.Option("--danger", help="To whom, and why it cannot wait; sealed.")],
    case: Case = None,
    account: Account = None,
) -> None:
    """Write down an emergency request. What it is about is preserved at once. Prints its id."""
    with opened() as nightlight:
        made = nightlight.database.requests.emergency(
            operator(), authority=authority, reference=reference, contact=contact, danger=danger, case=case, account=account
        )
    typer.echo(made.id)


@emergency.command("decide")
def decide_emergency(
    id: Id, approve: Annotated[bool, typer.Option("--approve/--refuse", help="Whether anything may be told.")], why: Why
) -> None:
    """The second person's decision. Who wrote the request down cannot make it."""
    with opened() as nightlight:
        _tell(nightlight.database.requests.decide(id, operator(), approve=approve, why=why))


@emergency.command("disclosed")
def disclosed_emergency(
    id: Id,
    to: Annotated[str, typer.Option("--to", help="Who was told.")],
    kind: Annotated[list[Disclosed], typer.Option("--kind", help="Which records were told; may be given several times.")],
    what: Annotated[str, typer.Option("--what", help="In words; sealed.")],
) -> None:
    """Record what was told to whom. Nothing is sent by this."""
    with opened() as nightlight:
        _tell(nightlight.database.requests.disclosed(id, operator(), to=to, kinds=kind, what=what))


@emergency.command("list")
def list_emergencies(
    everything: Annotated[bool, typer.Option("--all", help="Those that were decided and told, too.")] = False,
    as_json: Json = False,
) -> None:
    """Requests that wait for a decision, or for somebody to tell. Exit code 1 where one is late."""
    rows, after = [], None
    late = False
    with opened() as nightlight:
        now = nightlight.clock.now()
        while page := nightlight.database.requests.emergencies(operator(), after=after, most=_PAGE):
            for one in page:
                if not everything and one.state not in (EmergencyState.WAITING, EmergencyState.APPROVED):
                    continue
                is_late = one.state is EmergencyState.WAITING and one.due_at <= now
                late = late or is_late
                if as_json:
                    emit(one)
                due = f"{one.due_at:%Y-%m-%d %H:%M}" + (" late" if is_late else "")
                rows.append((one.id, one.state.value, due, one.authority, one.reference, one.case or f"account {one.account}"))
            after = page[-1].id
    if not as_json:
        table(("REQUEST", "STATE", "DUE (UTC)", "FROM", "REFERENCE", "ABOUT"), rows)
    if late:
        raise typer.Exit(Exit.FOUND)


def _say(one: Preservation) -> None:
    typer.echo(f"{one.id}: {one.state.value}, until {one.until:%Y-%m-%d}, renewed {len(one.renewals)} times")


def _tell(one: Emergency) -> None:
    typer.echo(f"{one.id}: {one.state.value}")
