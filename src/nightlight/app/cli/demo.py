"""`nightlight demo`: an evening on an invented game, screened live."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Exit, Json, emit
from nightlight.core.errors import Conflict
from nightlight.core.staff import Role

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight
    from nightlight.app.demo.run import Story, Tally


def demo(
    once: Annotated[bool, typer.Option("--once", help="Play one evening as fast as it is answered, print a summary and end.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep the database in this folder; else it is gone at the end.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the live page; 0 takes a free one.")] = 8420,
    seed: Annotated[int, typer.Option(help="Which evening.")] = 1,
    conversations: Annotated[int, typer.Option(min=1, help="Benign conversations an evening.")] = 300,
    shared: Annotated[Path | None, typer.Option(help="Folder with real benign chat and reference pictures, used when it is there.")] = None,
    as_json: Json = False,
) -> None:
    """Serve on an embedded database and play an evening on an invented game: benign talk, a few shapes of risk, pictures."""
    from nightlight.app.bootstrap import bootstrap
    from nightlight.app.demo.run import play
    from nightlight.web.serve import AddressInUse

    screen = _Screen(quiet=as_json, once=once)
    with tempfile.TemporaryDirectory(prefix="nightlight-demo-", ignore_cleanup_errors=True) as temporary:
        home = keep or Path(temporary)
        _service(home)
        with bootstrap(home) as nightlight:
            screen.code = None if once else _invited(nightlight)
            try:
                tally = play(
                    nightlight,
                    port=port,
                    once=once,
                    seed=seed,
                    conversations=conversations,
                    shared=shared,
                    on_ready=screen.show,
                    on_end=screen.end,
                )
            except AddressInUse as error:
                typer.secho(f"nightlight: {error}; try --port 0", err=True, fg="red")
                raise typer.Exit(Exit.UNAVAILABLE) from None
    if as_json:
        emit(summary(tally))
    else:
        _tell(tally, once=once)
    if keep:
        typer.echo(f"The database is in {keep}: try NIGHTLIGHT_HOME={keep} nightlight cases", err=as_json)
    if once and tally.errors:  # who presses Ctrl-C cuts off what was under way
        raise typer.Exit(Exit.FOUND)


_SERVICE = """# Written by `nightlight demo`: what a report says about the invented game.
[service]
name = "Lanternfall"
company = "Lanternfall Games (invented)"
template = "Lanternfall is an invented online game. Nothing that it reports happened."
legal_url = "https://lanternfall.example/legal"
reporter = { first_name = "Rin", last_name = "Sato", email = "safety@lanternfall.example" }
"""


def _service(home: Path) -> None:
    """So that reports of the demo's cases can be drafted and exported from a folder that is kept."""
    from nightlight.app.settings import FILE

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / FILE).exists():
        (home / FILE).write_text(_SERVICE, encoding="utf-8")


def _invited(nightlight: Nightlight) -> str | None:
    """The code with which whoever watches makes themselves a lead of the console; None where a kept database has one already."""
    try:
        return nightlight.reviewers.add("lead", "Lead of the demo", Role.LEAD, "cli:demo")[1]
    except Conflict:
        return None


def summary(tally: Tally) -> dict[str, Any]:
    """What an evening came to, for scripts."""
    return {
        "events": tally.events,
        "uploads": tally.uploads,
        "events_per_second": round(tally.rate, 1),
        "decisions": dict(tally.decisions),
        "cases_open": tally.cases_open,
        "benign_decided_high": tally.false_alarms,
        "banked_pictures_found": f"{tally.found} of {tally.banked}",
        "errors": tally.errors,
        "stories": {
            name: {
                "level": s.level,
                "harms": s.harms,
                "alert_after_events": s.alert_events,
                "alert_after_seconds": s.alert_seconds,
            }
            for name, s in tally.stories.items()
        },
    }


def _tell(tally: Tally, *, once: bool) -> None:
    # Somebody watched at an evening's pace: how fast it went while sending is not what they saw.
    speed = f", {tally.rate:,.0f} a second while sending" if once else ""
    typer.echo(f"\n{tally.events:,} events and {tally.uploads} pictures decided{speed}")
    typer.echo("decisions, by strongest action: " + ", ".join(f"{name} {count}" for name, count in tally.decisions.most_common()))
    typer.echo(f"cases open: {tally.cases_open}")
    typer.echo(f"banked pictures found again: {tally.found} of {tally.banked}; benign events decided high: {tally.false_alarms}")
    typer.echo("time to alert (high), by story:")
    for name, story in tally.stories.items():
        if story.alert_events is None:
            typer.echo(f"    {name}: {story.level}, no alert")
        else:
            typer.echo(f"    {name}: {', '.join(story.harms)}, at event {story.alert_events}, {_after(story)}")
    if once and tally.errors:
        typer.secho(f"{tally.errors} events were not decided", fg="red", err=True)


def _after(story: Story) -> str:
    return f"after {story.alert_seconds:.0f} s" if story.alert_seconds else "at once"


class _Screen:
    """The terminal while the evening runs: a live table where somebody watches, a line now and then in a pipe."""

    def __init__(self, *, quiet: bool, once: bool) -> None:
        self._quiet, self._once = quiet, once
        self.code: str | None = None
        self._end: Callable[[], None] = lambda: None

    def show(self, address: str, tally: Tally) -> None:
        typer.echo(f"Nightlight is serving on {address}  (live page: {address}/)", err=self._quiet)
        if self.code is not None:
            typer.echo(f"Judge its cases in the console: {address}/console/enrol, as `lead`, with the code {self.code}", err=self._quiet)
        sys.stdout.flush()
        if self._quiet or not sys.stdout.isatty():
            return
        from rich.live import Live

        live = Live(get_renderable=lambda: _panel(address, tally, self._once), refresh_per_second=4, transient=True)
        live.start()
        self._end = live.stop

    def end(self) -> None:
        self._end()


def _panel(address: str, tally: Tally, once: bool) -> Any:
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 3))
    table.add_row("events", f"{tally.events:,}", "pictures", f"{tally.uploads:,}")
    # By the clock on the wall where an evening is played at its pace: as on the live page.
    label, rate = ("a second, while sending", tally.rate) if once else ("a second, just now", tally.pace(time.monotonic()))
    table.add_row(label, f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}", "banked found", f"{tally.found} of {tally.banked}")
    table.add_row("decisions, by strongest action:")
    for name, count in tally.decisions.most_common():
        table.add_row("  " + name.replace("_", " "), f"{count:,}")
    for name, story in list(tally.stories.items())[-8:]:
        when = "watching" if story.alert_seconds is None else f"alert {_after(story)}, at event {story.alert_events}"
        table.add_row(name, story.level, when)
    return Panel(table, title=f"An evening on Lanternfall - live page {address}/", subtitle="Ctrl-C ends it")
