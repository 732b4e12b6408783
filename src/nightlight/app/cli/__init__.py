"""The command line. One module a family of commands; heavy imports happen inside the commands, so `--help` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import nightlight
from nightlight.app.cli import (
    audit,
    bank,
    bench,
    casework,
    database,
    demo,
    evaluate,
    exchange,
    index,
    keys,
    media,
    notices,
    people,
    policy,
    protect,
    report_validate,
    reports,
    requests,
    reviewers,
    screen,
    self_reports,
    serve,
    sim,
    terms,
    train,
    trial,
    vault,
)
from nightlight.app.cli.common import Exit, exit_code
from nightlight.core.errors import NightlightError

app = typer.Typer(
    name="nightlight",
    help="The open child-safety stack: detect, deter and report those who would harm children; warn, protect and help the children.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("screen")(screen.screen)
app.command("hash")(media.hash_files)
app.command("match")(media.match_files)
app.add_typer(bank.app, name="bank")
app.add_typer(exchange.app, name="exchange")
app.add_typer(index.app, name="index")
app.add_typer(policy.app, name="policy")
app.add_typer(keys.app, name="keys")
app.add_typer(people.limits, name="limits")
app.add_typer(people.outbox, name="outbox")
app.add_typer(casework.app, name="cases")
app.command("messages")(people.messages)
app.command("detectors")(evaluate.detectors)
app.command("migrate")(database.migrate)
app.command("backup")(database.backup)
app.command("restore")(database.restore)
app.command("retention")(database.retention)
app.command("erase")(database.erase)
app.command("export")(database.export)
app.add_typer(audit.app, name="audit")
app.add_typer(self_reports.app, name="self-reports")
app.add_typer(evaluate.app, name="evaluate")
app.command("train")(train.train)
app.add_typer(bench.app, name="bench")
app.add_typer(vault.app, name="vault")
reports.app.command("validate")(report_validate.validate)
reports.app.command("schema")(report_validate.schema)
app.add_typer(reports.app, name="report")
app.add_typer(sim.app, name="sim")
app.add_typer(reviewers.app, name="people")
app.add_typer(protect.app, name="protect")
app.add_typer(notices.app, name="notice")
app.add_typer(requests.preserve, name="preserve")
app.add_typer(requests.emergency, name="emergency")
app.add_typer(terms.app, name="terms")
app.add_typer(trial.app, name="trial")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nightlight {nightlight.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    home: Annotated[
        Path | None, typer.Option(envvar="NIGHTLIGHT_HOME", help="Folder of the embedded database and keys.", show_default="~/.nightlight")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    if home is not None:
        os.environ["NIGHTLIGHT_HOME"] = str(home.expanduser())


def main() -> None:
    """The console script: errors meant for people are printed as such, with a documented exit code."""
    try:
        app()
    except SystemExit as stop:
        # typer makes exit code 1 of a broken pipe: whoever read our output had enough, which is no failure.
        if isinstance(stop.__context__, BrokenPipeError):
            _hush()
        raise
    except NightlightError as error:
        where = f"{error.field}: " if error.field and not error.message.startswith(error.field) else ""
        typer.secho(f"nightlight: {where}{error.message}", err=True, fg="red")
        sys.exit(exit_code(error))
    except BrokenPipeError:
        _hush()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _hush() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit would fail as well
    sys.exit(Exit.OK)
