"""Work on cases from the command line, over the same desk as the console: nothing here may do more than there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.app.cli.people import cases
from nightlight.core.case import Case, CaseState, Finding, NoteKind
from nightlight.core.staff import Role, Staff

app = cases
"""The commands of `people.cases`, and these."""

Id = Annotated[str, typer.Argument(metavar="CASE", help="The case's id.")]
InRole = Annotated[Role, typer.Option("--role", help="In which role.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in a few words; kept sealed.")]
Plain = Annotated[bool, typer.Option("--plain", help="One id a line, and nothing else.")]


def _who(role: Role) -> Staff:
    """Never by a name that is typed: a signature takes another person."""
    return Staff(id=operator(), role=role)


@cases.command("list")
def list_cases(
    queue: Annotated[str | None, typer.Option(help="Of this queue alone.")] = None,
    state: Annotated[CaseState, typer.Option(help="In this state.")] = CaseState.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    after: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    plain: Plain = False,
    as_json: Json = False,
    role: InRole = Role.REVIEWER,
) -> None:
    """A page of cases, the most urgent first; those that are judged, the latest first."""
    with opened() as nightlight:
        page = nightlight.desk.queue(_who(role), queue, state=state, cursor=after, most=limit)
    if as_json:
        emit({"cases": page.cases, "next": page.next})
    elif plain:
        for case in page.cases:
            typer.echo(case.id)
    else:
        _table(page.cases)
        if page.next is not None:
            typer.echo(f"more: --after {page.next}")


@cases.command()
def queues(as_json: Json = False, role: InRole = Role.REVIEWER) -> None:
    """How many wait in each queue, and what waits for a signature, an opinion or a child's support."""
    with opened() as nightlight:
        found = nightlight.desk.overview(_who(role))
    if as_json:
        emit(found)
        return
    rows = [(q.queue, q.lane.value, q.waiting, q.taken, q.overdue, f"{q.oldest:%Y-%m-%d %H:%M}" if q.oldest else "-") for q in found.queues]
    table(("QUEUE", "LANE", "WAITING", "TAKEN", "OVERDUE", "OLDEST (UTC)"), rows)
    typer.echo(", ".join(f"{count} {state.value}" for state, count in sorted(found.states.items())) or "no cases")
    typer.echo(
        f"{found.steps_waiting} wait for a signature, {found.opinions_waiting} for an opinion, {found.appeals_waiting} appeals, "
        f"{found.reviews_waiting} to review blindly, {found.support_overdue} children to whom help is overdue"
    )


@cases.command()
def take(
    case: Annotated[str | None, typer.Argument(metavar="[CASE]", help="This one; the next that waits where none is named.")] = None,
    queue: Annotated[str | None, typer.Option(help="The next of this queue.")] = None,
    as_json: Json = False,
    role: InRole = Role.REVIEWER,
) -> None:
    """Take a case, so that nobody else works on it for a while; again, to hold on to it."""
    who = _who(role)
    with opened() as nightlight:
        found = nightlight.desk.lock(who, case) if case is not None else nightlight.desk.take(who, queue)
    if as_json:
        emit({"case": found})
    elif found is None:
        typer.echo("Nothing waits for you.")
    else:
        until = f"{found.locked_until:%H:%M} UTC" if found.locked_until is not None else "-"
        typer.echo(f"{found.id}  {found.queue}  {found.lane.value}  yours until {until}")


@cases.command()
def release(
    case: Id,
    note: Annotated[str, typer.Option(help="For whoever takes it next.")] = "",
    role: InRole = Role.REVIEWER,
) -> None:
    """Give a case back to its queue."""
    with opened() as nightlight:
        nightlight.desk.release(_who(role), case, note)
    typer.echo("Released.")


@cases.command()
def assign(case: Id, to: Annotated[str, typer.Argument(help="To whom.")], role: InRole = Role.LEAD) -> None:
    """Assign a case to somebody."""
    with opened() as nightlight:
        nightlight.desk.assign(_who(role), case, to)
    typer.echo(f"Assigned to {to}.")


@cases.command()
def note(
    case: Id,
    text: Annotated[str, typer.Argument(help="What to note; kept sealed.")],
    hand_over: Annotated[bool, typer.Option("--hand-over", help="For whoever takes the case next.")] = False,
    role: InRole = Role.REVIEWER,
) -> None:
    """Write a note on a case."""
    with opened() as nightlight:
        written = nightlight.desk.note(_who(role), case, text, NoteKind.HAND_OVER if hand_over else NoteKind.NOTE)
    typer.echo(written.id)


@cases.command()
def verdict(
    case: Id,
    finding: Annotated[Finding, typer.Argument(help="What you found.")],
    reason: Why,
    mandatory: Annotated[bool, typer.Option("--mandatory", help="The law asks for a report.")] = False,
    danger: Annotated[bool, typer.Option("--danger-ahead", help="A child is in danger now.")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="Lift the limits on the account.")] = False,
    extend_days: Annotated[float | None, typer.Option("--extend-days", help="Make them last so many days from now.")] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Confirmed, and not to be reported.")] = False,
    as_json: Json = False,
    role: InRole = Role.REVIEWER,
) -> None:
    """Judge a case that you took."""
    from nightlight.core.desk import Judgement, LimitChange

    with opened() as nightlight:
        until = nightlight.clock.now() + timedelta(days=extend_days) if extend_days is not None else None
        judgement = Judgement(
            finding=finding,
            reason=reason,
            mandatory=mandatory,
            danger_ahead=danger,
            limit=LimitChange(lift=lift, extend_to=until) if lift or until is not None else None,
            report=False if no_report else None,
        )
        outcome = nightlight.desk.verdict(_who(role), case, judgement)
    if as_json:
        emit(outcome)
        return
    typer.echo(f"{outcome.case.id}  {outcome.case.state.value}")
    for step in outcome.steps:
        typer.echo(f"    {step.consequence.value}: {step.state.value}, {len(step.signed)} of {step.needs} signed  {step.id}")
    for consequence in outcome.withheld:
        typer.echo(f"    {consequence.value}: not done, as nothing but an unverified or anonymous report stands behind it")


@cases.command()
def decline(case: Id, reason: Why, role: InRole = Role.REVIEWER) -> None:
    """Ask that a confirmed case end without a report; a lead signs it off."""
    with opened() as nightlight:
        step = nightlight.desk.decline(_who(role), case, reason)
    typer.echo(f"{step.state.value}  {step.id}")


@cases.command()
def steps(as_json: Json = False, role: InRole = Role.REVIEWER) -> None:
    """What waits for your signature."""
    with opened() as nightlight:
        found = nightlight.desk.waiting_steps(_who(role))
    if as_json:
        for step in found:
            emit(step)
        return
    table(
        ("STEP", "CASE", "CONSEQUENCE", "SIGNED BY", "NEEDS"), [(s.id, s.case, s.consequence, ", ".join(s.signed), s.needs) for s in found]
    )


@cases.command()
def sign(
    step: Annotated[str, typer.Argument(help="The step's id.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it, with a reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why; a refusal needs it.")] = "",
    role: InRole = Role.REVIEWER,
) -> None:
    """Sign a consequence that takes more than one person, or refuse it."""
    with opened() as nightlight:
        signed = nightlight.desk.approve(_who(role), step, yes=not refuse, reason=reason)
    typer.echo(signed.state.value)


@cases.command()
def appeal(
    case: Id,
    text: Annotated[str, typer.Argument(help="What the appeal says; kept sealed.")],
    account: Annotated[str | None, typer.Option(help="Who brought it, by the service's own id.")] = None,
    role: InRole = Role.REVIEWER,
) -> None:
    """Write down an appeal: the case is reopened, for somebody who has not judged it."""
    with opened() as nightlight:
        whose = nightlight.pseudonymiser("account", account) if account is not None else None
        brought = nightlight.desk.appeal(_who(role), case, text, whose)
    typer.echo(brought.id)


@cases.command()
def history(case: Id, as_json: Json = False, role: InRole = Role.REVIEWER) -> None:
    """What was done to a case and who looked at it, the latest first."""
    with opened() as nightlight:
        found = nightlight.desk.history(_who(role), case)
    if as_json:
        for entry in found:
            emit(entry)
        return
    rows = [(f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor, e.action, " ".join(f"{k}={v}" for k, v in e.detail.items())) for e in found]
    table(("AT (UTC)", "WHO", "WHAT", "DETAIL"), rows)


@cases.command()
def quality(
    days: Annotated[int, typer.Option(min=1, max=3660)] = 90,
    as_json: Json = False,
    role: InRole = Role.REVIEWER,
) -> None:
    """How often people confirm what each detector raises, and how well blind second reviews agree with the first."""
    who = _who(role)
    with opened() as nightlight:
        since = nightlight.clock.now() - timedelta(days=days)
        agreement, precision = nightlight.desk.agreement(who, since), nightlight.desk.precision(who, since)
    if as_json:
        emit({"agreement": agreement, "precision": precision})
        return
    rows = [(p.detector, p.version, p.harm, p.confirmed, p.not_confirmed, _share(p.precision)) for p in precision]
    table(("DETECTOR", "VERSION", "HARM", "CONFIRMED", "NOT CONFIRMED", "PRECISION"), rows)
    kappa = "-" if agreement.kappa is None else f"{agreement.kappa:.2f}"
    typer.echo(f"{agreement.pairs} reviewed twice, {agreement.observed:.0%} agree, kappa {kappa}")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _table(found: Iterable[Case]) -> None:
    rows = [
        (
            c.id,
            c.queue,
            c.lane.value,
            c.harm.value if c.harm else "-",
            c.level.value,
            f"{c.due_at:%Y-%m-%d %H:%M}" if c.due_at else "-",
            c.locked_by or c.assigned_to or "-",
        )
        for c in found
    ]
    table(("CASE", "QUEUE", "LANE", "HARM", "LEVEL", "DUE (UTC)", "WITH"), rows)
