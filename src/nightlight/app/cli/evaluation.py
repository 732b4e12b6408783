"""What `nightlight evaluate` reads, writes and shows. Imported inside the commands: it loads the kit."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import typer
from msgspec import Struct

from nightlight.app.cli.common import Exit, table
from nightlight.app.scoring import Scores
from nightlight.core.detect import Card, Detector
from nightlight.core.errors import Invalid
from nightlight.kit.corpus import BadLine, Conversation, stream
from nightlight.kit.evaluate import Evaluation, Evaluator, Figures


class Options(Struct, frozen=True, kw_only=True):
    files: Sequence[Path]
    out: Path | None
    scores: Path | None
    messages_per_day: float | None
    minutes_per_case: float


def chosen_detectors(names: Sequence[str] | None) -> dict[str, Detector]:
    """Those named, or all that are installed. Raises typer.BadParameter where there is none of a name."""
    from nightlight.detectors import discover

    found = discover().detectors
    if unknown := set(names or ()) - set(found):
        raise typer.BadParameter(f"no detector is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(found))}")
    return {name: found[name] for name in names or found}


class Reader:
    """The conversations of several files. What cannot be read, or comes again in the same file, is said and counted."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files, self.bad = files, 0
        once = [file.resolve() for file in files]
        if len(set(once)) < len(once):
            raise typer.BadParameter("a file is named twice: its conversations would count twice")

    def __iter__(self) -> Iterator[Conversation]:
        for file in self._files:
            with there(file):
                seen: set[int] = set()
                for one in stream(file):
                    if isinstance(one, BadLine):
                        self._say(file, one.line, one.reason)
                    elif (known := hash((one.source, one.conversation))) in seen:
                        self._say(file, None, "a conversation has the id of an earlier one of its source: left out")
                    else:
                        seen.add(known)
                        yield one

    def _say(self, file: Path, line: int | None, reason: str) -> None:
        self.bad += 1
        typer.secho(f"{file}:{reason}" if line is None else f"{file}:{line}: {reason}", err=True, fg="yellow")


@contextmanager
def there(file: Path | None = None) -> Iterator[None]:
    """A file that cannot be opened or written is one line and an exit code."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        typer.secho(f"nightlight: {error.filename or file}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(Exit.NOT_FOUND) from None


def run(scored: Iterable[Scores], evaluator: Evaluator, options: Options) -> None:
    """Feed the evaluator, and write the running scores as they come where a file is asked for."""
    if options.out is not None:
        with there():
            options.out.mkdir(parents=True, exist_ok=True)  # now, not after an hour of scoring
    if options.scores is None:
        for conversation, events, risk in scored:
            evaluator.add(conversation, events, risk)
        return
    _never_over(options.files, options.scores)
    with there(), options.scores.open("wb") as file:
        for conversation, events, risk in scored:
            found = evaluator.add(conversation, events, risk)
            line = {
                "conversation": conversation.conversation,
                "source": conversation.source,
                "label": conversation.label,
                "risk": risk,
                "alert": found.alert - 1 if found.alert else None,
            }
            file.write(msgspec.json.encode(line) + b"\n")


def written(found: Iterable[Conversation | BadLine], source: Path, out: Path) -> tuple[int, int, int]:
    """Writes conversations as JSON lines: how many, how many positive, and how many could not be read.

    The file appears when all is read, or not at all.
    """
    _never_over([source], out)
    done = positives = bad = 0
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with cast(BinaryIO, gzip.open(partial, "wb")) if out.suffix == ".gz" else partial.open("wb") as file:
            for one in found:
                if isinstance(one, BadLine):
                    bad += 1
                    typer.secho(f"{source}:{one.line}: {one.reason}", err=True, fg="yellow")
                    continue
                file.write(msgspec.json.encode(one) + b"\n")
                done, positives = done + 1, positives + one.positive
        if done:
            partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return done, positives, bad


def _never_over(read: Sequence[Path], out: Path) -> None:
    if any(out.exists() and file.exists() and out.samefile(file) for file in read):
        raise Invalid("would write over what is being read", field=str(out))


def report(
    result: Evaluation, options: Options, detectors: Mapping[str, Detector], bad_lines: int, failures: Mapping[str, int]
) -> dict[str, Any]:
    """The one object of `--json` and of report.json."""
    return {
        **msgspec.to_builtins(result),
        "calibrated": False,
        "languages_supported": supported(result.languages, detectors),
        "detectors": {name: detector.card.version for name, detector in detectors.items()},
        "messages_per_day": options.messages_per_day,
        "minutes_per_case": options.minutes_per_case,
        "bad_lines": bad_lines,
        "failures": dict(failures),
    }


def supported(languages: Iterable[str], detectors: Mapping[str, Detector]) -> dict[str, list[str]]:
    """By language, the detectors whose cards say that they read it, in whatever country."""

    def reads(card: Card, language: str) -> bool:
        return "any" in card.languages or language.partition("-")[0] in {spoken.partition("-")[0] for spoken in card.languages}

    return {language: [name for name, one in detectors.items() if reads(one.card, language)] for language in languages}


def write(folder: Path, whole: Mapping[str, Any], evaluator: Evaluator, result: Evaluation) -> None:
    from nightlight.kit.evaluate.plots import plots

    with there():
        (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n")
        for name, svg in plots(evaluator, result).items():
            (folder / name).write_text(svg, "utf-8")


def show(result: Evaluation, options: Options, detectors: Mapping[str, Detector]) -> None:
    """The tables for people: what was found and how soon, and what it costs."""
    rows = [*result.sources.items(), *((f"language {name}", f) for name, f in result.languages.items()), ("all", result.pooled)]
    found = [
        (
            *(name, f.conversations, f.positives, _with_interval(f, "recall"), _n(f.precision), _n(f.f1), _n(f.f0_5), _n(f.f_latency)),
            *(_n(f.erde_5), _n(f.erde_50), _n(f.median_messages_to_alert), _n(f.p90_messages_to_alert), _n(f.median_seconds_to_alert)),
        )
        for name, f in rows
    ]
    headings = ("SOURCE", "CONVERSATIONS", "POSITIVE", "RECALL", "PRECISION", "F1", "F0.5", "F-LATENCY", "ERDE5", "ERDE50")
    table((*headings, "MESSAGES TO ALERT", "P90", "SECONDS"), found)
    typer.echo()
    costs = [
        (
            *(name, f.conversations - f.positives, _n(f.false_positive_rate), _n(f.false_positive_rate_bound)),
            *(_n(f.alarms_per_1000_messages), *map(_n, f.recall_at_fpr.values())),
            *(() if options.messages_per_day is None else (f"{_n(f.reviewer_hours_per_day)} ({_n(f.reviewer_hours_per_day_bound)})",)),
        )
        for name, f in rows
    ]
    hours = () if options.messages_per_day is None else ("HOURS/DAY (AT MOST)",)
    rates = ("RECALL AT 1%", "0.1%", "0.01%")
    table(("SOURCE", "BENIGN", "FALSE", "AT MOST (95%)", "ALARMS/1000", *rates, *hours), costs)
    typer.echo(f"\nAlarm at score {result.threshold:.2f}, uncalibrated.")
    if unread := [name for name, by in supported(result.languages, detectors).items() if not by]:
        typer.echo(f"No detector says that it reads {', '.join(unread)}: not finding anything there means nothing.")
    benign = result.pooled.conversations - result.pooled.positives
    if 0 < benign < 30_000:
        typer.echo(f"{benign} benign conversations cannot show a rate below {min(1.0, 3 / benign):.2g}: recall at lower ones is a guess.")


def _with_interval(f: Figures, name: str) -> str:
    value, ends = _n(getattr(f, name)), f.intervals.get(name)
    return value if ends is None else f"{value} ({_n(ends[0])}-{_n(ends[1])})"


def _n(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
