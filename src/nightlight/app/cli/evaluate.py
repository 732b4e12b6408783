"""`nightlight evaluate` and `nightlight detectors`: how well detectors do on labelled data, and what they say of themselves."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, progress, table
from nightlight.core.errors import Invalid

app = typer.Typer(help="How well the detectors do on labelled data that you may use.", no_args_is_help=True)


@app.command()
def conversations(
    files: Annotated[list[Path], typer.Argument(help="Corpora in JSON lines, gzipped or not.")],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Score that alarms.", show_default="the level high")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.", show_default="all")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and the plots.")] = None,
    scores: Annotated[Path | None, typer.Option(help="File for the running risk of each conversation, one a line.")] = None,
    messages_per_day: Annotated[float | None, typer.Option(min=0, help="Volume to reckon reviewer hours for.")] = None,
    minutes_per_case: Annotated[float, typer.Option(min=0, help="Minutes a false alarm takes.")] = 10.0,
    resamples: Annotated[int, typer.Option(min=0, max=100_000, help="Bootstrap resamples; 0: no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that score.")] = 1,
    as_json: Json = False,
) -> None:
    """Score labelled conversations with every detector, fused as the service fuses them, by source and by language.

    Lines that cannot be read are reported by number and the others are used; the exit code is then 2.
    """
    from nightlight.app.cli.evaluation import Options, Reader, chosen_detectors, report, run, show
    from nightlight.app.scoring import Scoring
    from nightlight.app.settings import home_folder, load
    from nightlight.core.harm import Level
    from nightlight.kit.evaluate import Evaluator

    levels = load(home_folder()).levels
    chosen = chosen_detectors(detector)
    options = Options(files=files, out=out, scores=scores, messages_per_day=messages_per_day, minutes_per_case=minutes_per_case)
    evaluator = Evaluator(
        levels[Level.HIGH] if threshold is None else threshold,
        resamples=resamples,
        seed=seed,
        messages_per_day=messages_per_day,
        minutes_per_case=minutes_per_case,
    )
    reader, scoring = Reader(files), Scoring(chosen, levels, jobs=jobs)
    run(progress(scoring.over(reader), None, "scoring"), evaluator, options)
    result = evaluator.finish()
    whole = report(result, options, chosen, reader.bad, scoring.failures)
    if out is not None:
        from nightlight.app.cli.evaluation import write

        write(out, whole, evaluator, result)
    if as_json:
        emit(whole)
    else:
        show(result, options, chosen)
    if scoring.failures:
        failed = ", ".join(f"{name} on {n}" for name, n in sorted(scoring.failures.items()))
        typer.secho(f"Messages on which a part failed, so that the scores lack what it would have said: {failed}", err=True, fg="red")
        raise typer.Exit(Exit.FOUND)
    if reader.bad:
        raise typer.Exit(Exit.USAGE)


@app.command()
def evasion(
    files: Annotated[list[Path], typer.Argument(help="Corpora in JSON lines, gzipped or not; held in memory.")],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Score that alarms.", show_default="the level high")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.", show_default="all")] = None,
    lines: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Training folder with the lines to switch to.", show_default="none")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the changes.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that score.")] = 1,
    as_json: Json = False,
) -> None:
    """What disguise costs: recall and alarms at one level on labelled conversations, plain and changed in each of ten ways.

    Lines that cannot be read are reported by number and the others are used; the exit code is then 2.
    """
    from nightlight.app.cli.evaluation import Reader, chosen_detectors
    from nightlight.app.evading import GOAL, SWITCHED, Suite, changes
    from nightlight.app.settings import home_folder, load
    from nightlight.core.harm import Level

    levels = load(home_folder()).levels
    least = levels[Level.HIGH] if threshold is None else threshold
    suite = Suite(chosen_detectors(detector), levels, least, jobs=jobs)
    reader = Reader(files)
    talks = list(reader)
    if not talks:
        raise Invalid("holds no conversation", field=str(files[0]))
    rows = suite.over(talks, changes(seed, lines), progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit({"threshold": least, "goal_points": GOAL, "seed": seed, "changes": rows})
    else:
        table(
            ("CHANGE", "RISK", "RECALL PLAIN", "CHANGED", "DROP, POINTS", "BENIGN", "ALARMS PLAIN", "CHANGED"),
            [
                (
                    r.change, r.risk, _share(r.recall_plain), _share(r.recall), "-" if r.drop_points is None else f"{r.drop_points:+.1f}",
                    r.benign, r.alarms_plain, r.alarms,
                )
                for r in rows
            ],
        )  # fmt: skip
        worst = max((r.drop_points for r in rows if r.drop_points is not None), default=0.0)
        typer.echo(f"at a score of {least:.2f}; the worst change takes {worst:.1f} points, the goal is at most {GOAL:.0f}")
        if lines is None:
            typer.echo(f"{SWITCHED}: left out, --lines names the folder with lines to switch to")
    if suite.failures:
        failed = ", ".join(f"{name} on {n}" for name, n in sorted(suite.failures.items()))
        typer.secho(f"Messages on which a part failed, so that the scores lack what it would have said: {failed}", err=True, fg="red")
        raise typer.Exit(Exit.FOUND)
    if reader.bad:
        raise typer.Exit(Exit.USAGE)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


class Corpus(StrEnum):
    PAN_2012 = "pan2012"


@app.command()
def convert(
    corpus: Annotated[Corpus, typer.Argument(help="What it is.")],
    file: Annotated[Path, typer.Argument(help="The XML of the conversations, gzipped or not.")],
    out: Annotated[Path, typer.Option(help="JSON lines to write, compressed where the name ends in .gz.")],
    predators: Annotated[Path, typer.Option(help="The list of predators' author ids.")],
    lines: Annotated[Path | None, typer.Option(help="The list of lines that annotators found telling.")] = None,
    source: Annotated[str, typer.Option(help="Name of the source in the figures.")] = "pan2012",
    language: Annotated[str, typer.Option(help="Of its conversations.")] = "en",
) -> None:
    """Turn a research corpus into the JSON lines that `evaluate conversations` and `train` read.

    Conversations that cannot be read are reported by the line they begin on and the others are converted; the exit code is then 2.
    """
    from nightlight.app.cli.evaluation import there, written
    from nightlight.kit import pan

    with there():
        listed = pan.predators(predators)
        marked = pan.marked_lines(lines) if lines is not None else None
        done, positives, bad = written(
            progress(pan.read(file, listed, marked, source=source, language=language), None, "reading"), file, out
        )
    typer.echo(f"{done} conversations, {positives} of them with a listed author")
    if bad:
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
