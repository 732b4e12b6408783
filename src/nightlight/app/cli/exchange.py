"""`nightlight exchange`: hash lists that are fetched into banks."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator, table
from nightlight.core.errors import Invalid
from nightlight.core.exchange import Exchange, ExchangeKind, ExchangeRun, ExchangeState, Progress

if TYPE_CHECKING:
    from nightlight.app.fetching import Watch

app = typer.Typer(help="Hash lists that are fetched into banks, and told what reviewers found.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The exchange's name.")]
Url = Annotated[str | None, typer.Option(help="Where it is, if not at its usual address.")]
Option = Annotated[list[str] | None, typer.Option("--option", "-o", help="NAME=VALUE, by the kind; may be repeated.")]
Every = Annotated[int | None, typer.Option("--every", min=1, max=44_640, help="Minutes from one fetch to the next.")]
FromFile = Annotated[
    Path | None,
    typer.Option("--credentials-file", help="A file of NAME=VALUE lines, or JSON, that only you can read; `-` is standard input."),
]
FromEnv = Annotated[str | None, typer.Option("--credentials-env", help="An environment variable that holds the same.")]


@app.command("list")
def list_exchanges(as_json: Json = False) -> None:
    """All exchanges, without their credentials."""
    with opened() as nightlight:
        states = nightlight.exchanges.list()
    if as_json:
        for state in states:
            emit(state)
        return
    rows = [(s.exchange.name, s.exchange.kind.value, s.exchange.bank, _when(s), _condition(s)) for s in states]
    table(("EXCHANGE", "KIND", "BANK", "LAST WHOLE", "STATE"), rows)


@app.command()
def add(
    name: Name,
    kind: Annotated[ExchangeKind, typer.Option(help="Which protocol it speaks.")],
    bank: Annotated[str | None, typer.Option(help="The bank it fills, made if need be; the exchange's name unless told.")] = None,
    path: Annotated[str | None, typer.Option(help="Of files: a file, a folder, or a pattern such as 'lists/**/*.csv'.")] = None,
    url: Url = None,
    option: Option = None,
    every: Every = None,
    credentials_file: FromFile = None,
    credentials_env: FromEnv = None,
    enabled: Annotated[bool, typer.Option("--enable/--disable", help="Whether the service fetches it on schedule.")] = True,
) -> None:
    """Add an exchange. Credentials come from a file, an environment variable or a prompt, never from the command line."""
    from nightlight.adapters.exchanges import KINDS

    options = _options(option)
    if path is not None:
        # A service runs in another folder than the one where this is typed.
        options["path"] = str(Path(path).expanduser().absolute())
    asked = _credentials(credentials_file, credentials_env)
    if asked is None:
        needed = KINDS[kind]
        asked = {key: _prompt(key) for key in needed.credentials}
        asked |= {key: value for key in needed.more_credentials if asked and (value := _prompt(key, optional=True))}
    new = Exchange(name=name, kind=kind, bank=bank or name, url=url or "", options=options, enabled=enabled, interval_minutes=every or 60)
    with opened() as nightlight:
        made = nightlight.exchanges.create(new, operator(), asked)
    typer.echo(f"Exchange {made.name} fills the bank {made.bank}; `nightlight exchange run {made.name}` fetches it now.")


@app.command()
def change(
    name: Name,
    url: Url = None,
    path: Annotated[str | None, typer.Option(help="Of files: where they are.")] = None,
    option: Option = None,
    every: Every = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether the service fetches it on schedule.")] = None,
    credentials_file: FromFile = None,
    credentials_env: FromEnv = None,
    anew: Annotated[bool, typer.Option("--anew", help="Read the list from its beginning at the next fetch.")] = False,
    ask: Annotated[bool, typer.Option("--credentials", help="Ask for new credentials.")] = False,
) -> None:
    """Change what is given; a new address or option fetches the list from its beginning."""
    from nightlight.adapters.exchanges import KINDS

    with opened() as nightlight:
        old = nightlight.exchanges.status(name).exchange
        options = dict(old.options) | _options(option)
        if path is not None:
            options["path"] = str(Path(path).expanduser().absolute())
        options = {key: value for key, value in options.items() if value}
        given = _credentials(credentials_file, credentials_env)
        if given is None and ask:
            needed = KINDS[old.kind]
            given = {key: _prompt(key) for key in needed.credentials}
            given |= {key: value for key in needed.more_credentials if (value := _prompt(key, optional=True))}
        changed = nightlight.exchanges.change(
            name,
            operator(),
            url=url,
            options=options if options != dict(old.options) else None,
            enabled=enabled,
            interval_minutes=every,
            credentials=given,
            anew=anew,
        )
    typer.echo(f"Exchange {changed.name}: every {changed.interval_minutes} minutes, {'enabled' if changed.enabled else 'disabled'}.")


@app.command()
def remove(name: Name) -> None:
    """Forget an exchange and its credentials. Its bank and what is in it stay."""
    with opened() as nightlight:
        nightlight.exchanges.remove(name, operator())
    typer.echo(f"{name} is gone; its bank stays.")


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Exchanges; all that are enabled unless told.")] = None, as_json: Json = False
) -> None:
    """Fetch now, and wait for the end."""
    failed = False
    with opened() as nightlight:
        wanted = names or [s.exchange.name for s in nightlight.exchanges.list() if s.exchange.enabled]
        for name in wanted:
            with _Bar(name) as bar:
                ended = nightlight.exchanges.run(name, operator(), bar.watch)
            nothing_fit = ended.bad > 0 and not (ended.added or ended.changed or ended.unchanged)
            failed = failed or bool(ended.error) or nothing_fit
            _show(name, ended, as_json)
    if failed:
        raise typer.Exit(Exit.FOUND)


@app.command()
def status(name: Name, as_json: Json = False) -> None:
    """One exchange and its last fetches, with the rows that could not be used."""
    with opened() as nightlight:
        state, runs = nightlight.exchanges.status(name), nightlight.exchanges.runs(name)
    if as_json:
        import msgspec

        emit({**msgspec.to_builtins(state), "runs": msgspec.to_builtins(runs)})
        return
    e = state.exchange
    kept = ", ".join(e.credentials) or "none"
    typer.echo(f"{e.name} ({e.kind.value}) fills {e.bank}: {_condition(state)}, last whole {_when(state)}")
    typer.echo(f"url {e.url or '-'}, every {e.interval_minutes} minutes, credentials kept: {kept}")
    for key, value in e.options.items():
        typer.echo(f"{key} = {value}")
    columns = ("STARTED", "PAGES", "ADDED", "CHANGED", "WITHDRAWN", "BAD", "TOLD", "END")
    table(columns, [(_time(r.started_at), r.pages, r.added, r.changed, r.withdrawn, r.bad, r.told, _end(r)) for r in runs])
    for bad in runs[0].reasons if runs else ():
        typer.echo(f"  {bad.where}: {bad.reason}")


class _Bar:
    """Progress on standard error where somebody is watching; nothing else is written anywhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Rich

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Rich(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def watch(self) -> Watch:
        def show(p: Progress) -> None:
            if self._bar is not None:
                said = f"{self._name}: {p.rows:,} rows, {p.bad:,} bad" + (f", a fault: again in {p.waiting_s:.0f} s" if p.waiting_s else "")
                total = 1.0 if p.done is not None else None
                self._bar.update(self._task, description=said, total=total, completed=p.done or 0.0)

        return show


def _credentials(file: Path | None, env: str | None) -> dict[str, str] | None:
    """What a file or variable holds; None where neither is named. Raises Invalid, never with a word of it."""
    if file is not None and env is not None:
        raise Invalid("a file or a variable, not both", field="--credentials-file")
    if env is not None:
        if not os.environ.get(env):
            raise Invalid(f"the variable {env} is not set", field="--credentials-env")
        return _parsed(os.environ[env], "--credentials-env")
    if file is None:
        return None
    try:
        if str(file) == "-":
            return _parsed(sys.stdin.read(), "--credentials-file")
        mode = file.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise Invalid("others may read this file: chmod 600 it first", field="--credentials-file")
        return _parsed(file.read_text(encoding="utf-8"), "--credentials-file")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"it cannot be read ({type(error).__name__})", field="--credentials-file") from None


def _parsed(text: str, field: str) -> dict[str, str]:
    import msgspec

    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise Invalid("not a JSON object of texts", field=field) from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or any("=" not in line for line in lines):
        raise Invalid("lines of NAME=VALUE, or a JSON object", field=field)
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


def _prompt(key: str, *, optional: bool = False) -> str:
    if not sys.stdin.isatty():
        if optional:
            return ""
        raise Invalid("this kind needs it; give --credentials-file or --credentials-env", field=key)
    said = f"{key} (Enter for none)" if optional else key
    value: str = typer.prompt(said, hide_input=True, default="" if optional else None, show_default=False, err=True)
    return value


def _options(given: list[str] | None) -> dict[str, str]:
    out: dict[str, str] = {}
    for one in given or ():
        key, separator, value = one.partition("=")
        if not separator:
            raise Invalid("NAME=VALUE", field="--option")
        out[key.strip()] = value.strip()
    return out


def _show(name: str, run: ExchangeRun, as_json: bool) -> None:
    if as_json:
        import msgspec

        emit({"exchange": name, **msgspec.to_builtins(run)})
        return
    counts = f"{run.added} added, {run.changed} changed, {run.withdrawn} withdrawn, {run.unchanged} as they were, {run.bad} bad"
    typer.echo(f"{name}: {counts}" + (f", {run.told} verdicts told" if run.told else ""))
    for bad in run.reasons[:10]:
        typer.secho(f"  {bad.where}: {bad.reason}", err=True, fg="yellow")
    if run.error:
        typer.secho(f"{name}: {run.error}", err=True, fg="red")


def _condition(state: ExchangeState) -> str:
    if state.running:
        return "being fetched"
    if state.failures:
        return f"failing: {state.last.error}" if state.last is not None else "failing"
    return "enabled" if state.exchange.enabled else "disabled"


def _end(run: ExchangeRun) -> str:
    return "under way" if run.ended_at is None else run.error or "whole"


def _when(state: ExchangeState) -> str:
    return "never" if state.last_good_at is None else _time(state.last_good_at)


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
