"""`nightlight trial`: which message turns more people away, found out with an error rate that holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.deterrence import Outcome, TrialPlan
from nightlight.core.errors import Invalid

app = typer.Typer(help="Trials of message variants shown to searches.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The trial's name.")]
ADVICE = {
    "go_on": "go on: nothing is found yet",
    "stop_different": "you may stop: a difference is found",
    "stop_none_found": "stop: as many as were planned, and no difference was found",
}


@app.command()
def create(
    name: Name,
    category: Annotated[str, typer.Option(help="Whose searches it is about, of the table of answers.")],
    variant: Annotated[list[str], typer.Option(help="A message key; twice or more. The first is what others are compared with.")],
    baseline: Annotated[float, typer.Option(help="Share that has the outcome with the first, as you expect it.")] = 0.27,
    effect: Annotated[float, typer.Option(help="Smallest difference worth finding, as a share.")] = 0.10,
    outcome: Annotated[Outcome, typer.Option(help="Which outcome is compared.")] = Outcome.LEFT,
    alpha: Annotated[float, typer.Option(help="Chance of finding a difference where there is none, however often you look.")] = 0.05,
    power: Annotated[float, typer.Option(help="Chance of finding one of that size.")] = 0.8,
    as_json: Json = False,
) -> None:
    """Begin a trial. What it asks and when it stops is fixed here, and cannot be changed once it runs."""
    plan = TrialPlan(
        name=name,
        category=category,
        variants=tuple(variant),
        outcome=outcome,
        baseline=baseline,
        effect=effect,
        alpha=alpha,
        power=power,
    )
    with opened() as nightlight:
        nightlight.deterrence.create_trial(plan, operator())
        report = nightlight.deterrence.report(name)
    if as_json:
        emit(report)
        return
    typer.echo(f"{name} runs. Needed: {report.needed} outcomes a variant for one look at the end; it ends at {report.most} a variant.")


@app.command("list")
def list_trials(as_json: Json = False) -> None:
    """All trials, the newest first."""
    with opened() as nightlight:
        known = nightlight.trials.all()
    if as_json:
        for one in known:
            emit(one)
        return
    table(
        ("TRIAL", "STATE", "CATEGORY", "VARIANTS", "SHOWN", "SINCE (UTC)"),
        [(t.plan.name, t.state, t.plan.category, len(t.plan.variants), sum(t.shown), f"{t.created_at:%Y-%m-%d}") for t in known],
    )


@app.command()
def report(
    name: Name,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write a plot of the shares with their intervals there.")] = None,
    as_json: Json = False,
) -> None:
    """Shares, differences with intervals, and whether to stop. Look as often as you like: the rule allows for it."""
    with opened() as nightlight:
        found = nightlight.deterrence.report(name)
    if svg is not None:
        from nightlight.app.trial_chart import chart

        try:
            svg.write_text(chart(found), encoding="utf-8")
        except OSError as error:
            raise Invalid(f"the plot cannot be written: {error.strerror}", field="--svg") from None
    if as_json:
        emit(found)
        return
    typer.echo(f"{found.name} ({found.state}): {found.outcome.value} by message, in searches of {found.category}")
    table(
        ("MESSAGE", "SHOWN", "TOLD", found.outcome.value.upper(), "SHARE", "INTERVAL"),
        [
            (v.message, v.shown, v.told, v.outcomes[found.outcome], "-" if v.share is None else f"{v.share:.1%}", _interval(v.interval))
            for v in found.variants
        ],
    )
    typer.echo("")
    table(
        ("AGAINST THE FIRST", "DIFFERENCE", "HOWEVER OFTEN LOOKED", "LOOKED AT ONCE", "P", "FOUND"),
        [
            (
                c.message,
                "-" if c.difference is None else f"{c.difference:+.1%}",
                _interval(c.always_valid),
                _interval(c.looked_once),
                f"{c.p:.3f}",
                "yes" if c.differs else "no",
            )
            for c in found.comparisons
        ],
    )
    typer.echo(f"\nneeded {found.needed} outcomes a variant, at most {found.most}: {ADVICE[found.advice.value]}")
    for warning in found.warnings:
        typer.secho(f"beware: {warning}", err=True)


@app.command()
def stop(name: Name) -> None:
    """End a trial: its category is answered as the table says. Outcomes of what was shown are counted for a day still."""
    with opened() as nightlight:
        nightlight.trials.stop(name, operator())
    typer.echo(f"{name} is stopped.")


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:+.1%} to {interval[1]:+.1%}" if interval[0] < 0 else f"{interval[0]:.1%} to {interval[1]:.1%}"
