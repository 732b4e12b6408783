"""Settings: defaults, then `nightlight.toml` in the home folder, then the environment. Nothing else is read."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.decision import Helpline
from nightlight.core.errors import Invalid
from nightlight.core.harm import Level
from nightlight.core.ports import Endpoint

FILE = "nightlight.toml"


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class EndpointSettings(_Part, frozen=True, kw_only=True):
    url: Annotated[str, Meta(pattern=r"^https?://", max_length=2000)]
    secret: str | None = None
    secret_env: str | None = None
    """Name of the environment variable that holds the secret."""


class Retention(_Part, frozen=True, kw_only=True):
    events_days: Annotated[float, Meta(gt=0, le=366)] = 30.0
    """Days an event, its decision and its signals are kept; what is preserved as evidence stays."""
    tail_minutes: Annotated[float, Meta(gt=0, le=1440)] = 30.0
    sweep_minutes: Annotated[float, Meta(gt=0)] = 60.0
    """How often the serving process deletes what is due."""


class Server(_Part, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8420
    live_page_anywhere: bool = False
    """True shows the live page and metrics to other machines too; they hold counts, never content."""
    media_deadline_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """Media not screened by then is answered with a job."""
    video_mb: Annotated[int, Meta(ge=1, le=256)] = 128
    """Largest video taken by its bytes, in MiB. A decoder takes 256 at most."""


class SelfReports(_Part, frozen=True, kw_only=True):
    """The page `/protect-my-picture`, where young people report pictures of themselves by fingerprint."""

    page: Literal["on", "closing", "off"] = "on"
    """`closing` takes no new reports but still answers the codes that were given out; `off` is not there."""
    service: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    """What young people call your service; None: "this app"."""
    leave_to: Annotated[str, Meta(pattern=r"^https?://", max_length=500)] | None = None
    """Where the button to leave at once leads: a harmless page, such as your start page. None: an empty one."""
    address_header: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,60}$")] | None = None
    """Header in which your proxy tells the client's address, whose last entry is believed. Only for limits of rate; never stored."""
    an_hour: Annotated[int, Meta(ge=1, le=100_000)] = 120
    """Reports in an hour, of everybody together: as many as your reviewers can keep up with."""
    an_hour_each: Annotated[int, Meta(ge=1, le=10_000)] = 6
    """Reports in an hour from one address."""
    waiting_days: Annotated[float, Meta(gt=0, le=366)] = 90.0
    """A report that nobody has finished, and its fingerprints, go after that."""
    finished_days: Annotated[float, Meta(gt=0, le=366)] = 30.0
    """A finished one whose fingerprints were taken out goes after that: until then its code answers."""
    kept_days: Annotated[float, Meta(gt=0, le=3660)] = 365.0
    """A finished one whose fingerprints were kept, and these with it, go after that."""


class Text(_Part, frozen=True, kw_only=True):
    restricted_words: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path of your own list of words of a sexual nature, relative to the home folder; only its owner may read it. None: the package's."""
    cues: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path of learned cues that `nightlight train` wrote (`cues.npz`), relative to the home folder. None: those that ship."""


class Settings(_Part, frozen=True, kw_only=True):
    """Everything an operator may set. The file's keys are these fields; a misspelt one is an error."""

    database: str | None = None
    """SQLAlchemy URL; None: an SQLite file in the home folder."""
    gate: str | None = None
    """Path of a jurisdiction table, relative to the home folder; None: the one that ships."""
    place: Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None
    """Place of parties for whom the service gives none, such as a game run for one country; None: unknown, so nothing is scanned."""
    server: Server = Server()
    retention: Retention = Retention()
    levels: Mapping[Level, Annotated[float, Meta(gt=0, le=1)]] = msgspec.field(default_factory=lambda: dict(DEFAULT_LEVELS))
    endpoints: Mapping[str, EndpointSettings] = {}
    helplines: tuple[Helpline, ...] = ()
    self_reports: SelfReports = SelfReports()
    text: Text = Text()


def home_folder() -> Path:
    """`NIGHTLIGHT_HOME`, else `~/.nightlight`: the embedded database, the keys, the spool."""
    named = os.environ.get("NIGHTLIGHT_HOME")
    return Path(named).expanduser() if named else Path.home() / ".nightlight"


def load(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a home folder. Raises Invalid naming the file and the key."""
    environ = os.environ if environ is None else environ
    path = home / FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if url := environ.get("NIGHTLIGHT_DATABASE"):
            raw["database"] = url
        if place := environ.get("NIGHTLIGHT_PLACE"):
            raw["place"] = place
        for name in ("host", "port"):
            if value := environ.get(f"NIGHTLIGHT_{name.upper()}"):
                if name == "port" and not value.isdigit():
                    raise Invalid("must be a number", field="NIGHTLIGHT_PORT")
                raw.setdefault("server", {})[name] = int(value) if name == "port" else value
        settings = msgspec.convert(raw, Settings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(error), field=FILE) from None
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    _check(settings)
    return settings


def endpoints(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, Endpoint]:
    """The configured endpoints with their secrets. Raises Invalid where a secret is missing."""
    environ = os.environ if environ is None else environ
    out = {}
    for name, given in settings.endpoints.items():
        secret = given.secret or (environ.get(given.secret_env) if given.secret_env else None)
        if not secret:
            raise Invalid(f"endpoints.{name} needs `secret`, or `secret_env` naming a variable that is set", field=FILE)
        out[name] = Endpoint(name=name, url=given.url, secret=secret)
    return out


def _explained(complaint: str) -> Invalid:
    """msgspec's words about the file, with what is allowed."""
    what, _, at = complaint.partition(" - at `$")
    path = at.rstrip("`").lstrip(".")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        section: Any = Settings
        for step in path.split(".") if path else ():
            section = {"server": Server, "retention": Retention, "self_reports": SelfReports}.get(step, EndpointSettings)
        allowed = [f.name for f in msgspec.structs.fields(section)]
        close = get_close_matches(unknown[1], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        what = f"there is no setting {unknown[1]!r} here{hint} Allowed: {', '.join(allowed)}"
    if "matching regex" in what:
        what = "must be a country by its two letters, such as GB" if path == "place" else "must be an http or https URL"
    return Invalid(f"{path}: {what}" if path else what, field=FILE)


def _check(settings: Settings) -> None:
    levels = [settings.levels.get(level) for level in (Level.LOW, Level.ELEVATED, Level.HIGH)]
    known = [x for x in levels if x is not None]
    if len(known) != 3 or known != sorted(known) or Level.NONE in settings.levels:
        raise Invalid("levels needs low, elevated and high, in rising order", field=FILE)
