"""`nightlight policy`: rules as data, checked before they go live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator, progress, table

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight

app = typer.Typer(help="Rules as data: check, try in shadow, compare, replay, go live, go back.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A rule set in TOML.")]
Shadow = Annotated[bool, typer.Option("--shadow", help="Beside the live rules: decided and stored, never acted on.")]


@app.command()
def check(file: File, as_json: Json = False) -> None:
    """Find what is wrong with a rule set, by file and line. Exit code 1 where anything is."""
    from nightlight.policy import check as problems_of

    problems = problems_of(_text(file), str(file))
    for problem in problems:
        if as_json:
            emit(problem)
        else:
            typer.secho(str(problem), fg="yellow")
    if problems:
        raise typer.Exit(Exit.FOUND)
    if not as_json:
        typer.echo(f"{file}: nothing wrong.")


@app.command()
def show(shadow: Shadow = False, default: Annotated[bool, typer.Option("--default", help="The rules that ship.")] = False) -> None:
    """Print the rules in force; without any of your own, the default to start from."""
    from nightlight.core.decision import Mode
    from nightlight.policy.check import default_text

    current = None
    if not default:
        with opened() as nightlight:
            current = nightlight.database.policies.current(Mode.SHADOW if shadow else Mode.LIVE)
    if current is None and shadow and not default:
        typer.secho("No rules run in shadow.", err=True)
        raise typer.Exit(Exit.NOT_FOUND)
    typer.echo(default_text() if current is None else current.text, nl=False)


@app.command()
def activate(file: File, shadow: Shadow = False) -> None:
    """Check a rule set and put it in force. Services that run take it up within a second."""
    from nightlight.core.decision import Mode
    from nightlight.policy import load_rules

    text = _text(file)
    with opened() as nightlight:
        rules = load_rules(text, str(file), endpoints=set(nightlight.settings.endpoints) or None)
        nightlight.database.policies.activate(text, Mode.SHADOW if shadow else Mode.LIVE, operator(), name=rules.name)
    typer.echo(f"{rules.version} is {'in shadow' if shadow else 'live'}.")


@app.command()
def rollback(shadow: Shadow = False) -> None:
    """The rules before the current ones come back, as a new version."""
    from nightlight.core.decision import Mode

    with opened() as nightlight:
        back = nightlight.database.policies.rollback(Mode.SHADOW if shadow else Mode.LIVE, operator())
    typer.echo(f"{back.name}@{back.hash[:16]} is {'in shadow' if shadow else 'live'} again.")


@app.command("end-shadow")
def end_shadow() -> None:
    """Stop deciding in shadow."""
    from nightlight.core.decision import Mode

    with opened() as nightlight:
        nightlight.database.policies.retire(Mode.SHADOW, operator())
    typer.echo("Nothing runs in shadow now.")


@app.command()
def versions(as_json: Json = False) -> None:
    """Every rule set that was ever in force, the newest first."""
    with opened() as nightlight:
        known = nightlight.database.policies.versions()
    if as_json:
        for version in known:
            emit(version)
        return
    rows = [
        (
            f"{v.name}@{v.hash[:16]}",
            v.mode.value,
            v.activated_at.isoformat(timespec="seconds"),
            v.activated_by,
            "" if v.retired_at else "in force",
        )
        for v in known
    ]
    table(("RULES", "MODE", "SINCE", "BY", ""), rows)


@app.command()
def compare(as_json: Json = False) -> None:
    """What the shadow rules would have done differently, over the events decided by both."""
    from nightlight.app.replaying import compare_shadow

    with opened() as nightlight:
        result = compare_shadow(nightlight)
    if not result.events and not as_json:
        typer.echo("No event was decided by live and shadow rules both, so far.")
        return
    _print(result, as_json)


@app.command()
def replay(file: File, as_json: Json = False) -> None:
    """What other rules would have done with the events that are stored. Nothing is done and nothing is written."""
    from nightlight.app.replaying import judged_from_store
    from nightlight.policy import Policy, load_rules
    from nightlight.policy import replay as run

    candidate = Policy(load_rules(_text(file), str(file)))
    with opened() as nightlight:
        result = run(_watched(nightlight, judged_from_store(nightlight)), nightlight.policies.live, candidate)
    _print(result, as_json)


@app.command("try")
def try_out(
    file: File,
    events: Annotated[Path, typer.Argument(help="Wire events, one JSON object a line.")],
    place: Annotated[str | None, typer.Option(help="Place of parties for whom the file gives none, such as GB.")] = None,
) -> None:
    """Say what a rule set would do about events, in plain words. Nothing is kept and nothing leaves: the database is a throw-away."""
    from nightlight.app.replaying import try_rules
    from nightlight.policy import load_rules

    rules = load_rules(_text(file), str(file))
    silent = True
    for line in try_rules(rules, _text(events).encode().splitlines(), place):
        silent = False
        typer.echo(line)
    if silent:
        typer.echo("Nothing but delivering every one of them.")


def _watched(nightlight: Nightlight, judged: Any) -> Any:
    return progress(judged, nightlight.database.pipeline.counts().get("events"), "replaying")


def _print(result: Any, as_json: bool) -> None:
    if as_json:
        emit(result)
    else:
        typer.echo(result.text())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        typer.secho(f"nightlight: {file}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(Exit.NOT_FOUND) from None
    except UnicodeDecodeError:
        typer.secho(f"nightlight: {file} is not UTF-8 text", err=True, fg="red")
        raise typer.Exit(Exit.USAGE) from None
