"""`nightlight evaluate` and `nightlight detectors`: how well detectors do on labelled data, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, progress, table

app = typer.Typer(help="How well the detectors do on labelled data that you may use.", no_args_is_help=True)


@app.command()
def conversations(
    files: Annotated[list[Path], typer.Argument(help="Corpora in JSON lines, gzipped or not.")],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Score that alarms.", show_default="the level high")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.", show_default="all")] = None,
    as_json: Json = False,
) -> None:
    """Score labelled conversations with every detector, fused as the service fuses them, by source.

    Lines that cannot be read are reported by number and the others are used; the exit code is then 2.
    """
    from nightlight.app.scoring import scorer
    from nightlight.app.settings import home_folder, load
    from nightlight.core.harm import Level
    from nightlight.detectors import discover
    from nightlight.kit.evaluate import evaluate

    levels = load(home_folder()).levels
    found = discover().detectors
    chosen = {name: found[name] for name in detector or found if name in found}
    if unknown := set(detector or ()) - set(found):
        raise typer.BadParameter(f"no detector is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(found))}")
    reader = _Reader(files)
    at = levels[Level.HIGH] if threshold is None else threshold
    result = evaluate(progress(reader, None, "scoring"), scorer(chosen, levels), at)
    if as_json:
        emit({"threshold": result.threshold, "sources": {s.source: s for s in result.sources}, "pooled": result.overall})
    else:
        rows = [
            (s.source, s.conversations, s.positives, *map(_n, (s.recall, s.precision, s.false_positive_rate, s.false_positive_rate_bound)))
            for s in (*result.sources, result.overall)
        ]
        alerts = [(_n(s.median_messages_to_alert), _n(s.alarms_per_1000_messages)) for s in (*result.sources, result.overall)]
        headings = (
            "SOURCE",
            "CONVERSATIONS",
            "POSITIVE",
            "RECALL",
            "PRECISION",
            "FALSE",
            "AT MOST (95%)",
            "MESSAGES TO ALERT",
            "ALARMS/1000",
        )
        table(headings, [(*row, *alert) for row, alert in zip(rows, alerts, strict=True)])
        typer.echo(f"Alarm at score {result.threshold:.2f}, uncalibrated.")
    if reader.bad:
        raise typer.Exit(Exit.USAGE)


@app.command()
def capacity(
    file: Annotated[Path, typer.Argument(help='History: {"score": 0.8, "harmful": true|false|null} a line.')],
    days: Annotated[float, typer.Option(help="How long the history is.")],
    children: Annotated[int, typer.Option(help="Children on the service.")],
    minutes: Annotated[float, typer.Option(help="Reviewer minutes a day.")],
    minutes_per_case: Annotated[float, typer.Option(help="Minutes a case takes.")] = 10.0,
    nudges: Annotated[float, typer.Option(help="Nudges a thousand children a week.")] = 50.0,
    as_json: Json = False,
) -> None:
    """Levels that your reviewers can keep up with, and the recall they cost. Put them into `levels` in nightlight.toml."""
    import msgspec

    from nightlight.assess.capacity import Capacity, Outcome, plan_levels
    from nightlight.core.errors import Invalid

    try:
        history = msgspec.json.Decoder(Outcome).decode_lines(file.read_bytes())
    except OSError as error:
        typer.secho(f"nightlight: {file}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(Exit.NOT_FOUND) from None
    except msgspec.MsgspecError as error:
        raise Invalid(str(error), field=str(file)) from None

    able = Capacity(reviewer_minutes_per_day=minutes, minutes_per_case=minutes_per_case, nudges_per_1000_children_per_week=nudges)
    plan = plan_levels(history, days, children, able)
    if as_json:
        emit(plan)
        return
    for level, score in plan.levels.items():
        typer.echo(f"{level.value} = {score:.4f}")
    typer.echo(f"{plan.cases_per_day:.1f} cases a day, {plan.nudges_per_1000_children_per_week:.1f} nudges a thousand children a week")
    lost = "unknown: the history holds no verdict" if plan.recall_lost is None else f"{plan.recall_lost:.1%} of the known harmful ones"
    typer.echo(f"recall lost beyond the defaults: {lost}")


def detectors(as_json: Json = False) -> None:
    """Every detector that is installed, with its card. Exit code 1 where one could not be loaded."""
    from nightlight.detectors import discover

    found = discover()
    if as_json:
        for one in found.detectors.values():
            emit(one.card)
    else:
        cards = [one.card for one in found.detectors.values()]
        table(("DETECTOR", "VERSION", "HARMS", "LANGUAGES", "SUMMARY"), [_card(card) for card in cards])
    for problem in found.problems:
        typer.secho(str(problem), err=True, fg="red")
    if found.problems:
        raise typer.Exit(Exit.FOUND)


def _card(card: Any) -> tuple[str, ...]:
    return card.name, card.version, ", ".join(h.value for h in card.harms), ", ".join(card.languages), card.summary


def _n(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


class _Reader:
    """The conversations of several files; a line that cannot be read is said and counted."""

    def __init__(self, files: list[Path]) -> None:
        self._files, self.bad = files, 0

    def __iter__(self) -> Iterator[Any]:
        from nightlight.kit.corpus import BadLine, stream

        for file in self._files:
            try:
                for one in stream(file):
                    if isinstance(one, BadLine):
                        self.bad += 1
                        typer.secho(f"{file}:{one.line}: {one.reason}", err=True, fg="yellow")
                    else:
                        yield one
            except OSError as error:
                typer.secho(f"nightlight: {file}: {error.strerror}", err=True, fg="red")
                raise typer.Exit(Exit.NOT_FOUND) from None
