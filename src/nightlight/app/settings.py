"""Settings: defaults, then `nightlight.toml` in the home folder, then the environment. Nothing else is read."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date
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
from nightlight.core.staff import Role

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


class KmsSettings(_Part, frozen=True, kw_only=True):
    """A key service that keeps the vault's wrapping keys: one that speaks the API of HashiCorp Vault's Transit engine."""

    url: Annotated[str, Meta(pattern=r"^https?://", max_length=2000)]
    key: Annotated[str, Meta(min_length=1, max_length=200)]
    """Its name there, of type `aes256-gcm96`. It must exist."""
    mount: Annotated[str, Meta(min_length=1, max_length=200)] = "transit"
    namespace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/-]{1,200}$")] | None = None
    token_file: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path, relative to the home folder; only its owner may read it. Read at each call, so that an agent may renew it."""
    token_env: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Name of the environment variable that holds the token."""
    ca_file: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Certificates to trust in place of the system's, relative to the home folder."""
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 5.0


class VaultSettings(_Part, frozen=True, kw_only=True):
    """Where evidence is kept, and how long."""

    keys: Annotated[str, Meta(min_length=1, max_length=1000)] = "vault-keys"
    """Path of the key folder, relative to the home folder: best on another disk than the database. Never part of a backup without keys."""
    clocks: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path of your own table of retention clocks, relative to the home folder; None: the one that ships."""
    places: tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...] = ()
    """Where your service is established: the clocks of these places apply to every case. Empty: `place`, where that is set."""
    kms: KmsSettings | None = None
    """Keeps the wrapping keys. None: the key folder does."""


class IdentitySettings(_Part, frozen=True, kw_only=True):
    """Who somebody is outside the service."""

    resolver: EndpointSettings | None = None
    """Asked, with a signed request, while a report is drafted. None: only what the service put."""


class Oidc(_Part, frozen=True, kw_only=True):
    """An identity provider that speaks OpenID Connect, at which people may sign in to the console."""

    issuer: Annotated[str, Meta(pattern=r"^https?://[^\s?#]+$", max_length=500)]
    """Exactly as the provider names itself. https, or http on this very machine."""
    client_id: Annotated[str, Meta(min_length=1, max_length=500)]
    client_secret_file: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path, relative to the home folder; only its owner may read it."""
    client_secret_env: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=60)] = "your organisation"
    """What the sign-in page calls it."""
    scopes: tuple[Annotated[str, Meta(pattern=r"^[!#-\[\]-~]{1,100}$")], ...] = ("openid", "profile")
    id_claim: Annotated[str, Meta(min_length=1, max_length=200)] = "preferred_username"
    """Claim of the ID token that gives the sign-in name; of an e-mail address, what stands before the @."""
    roles_claim: Annotated[str, Meta(min_length=1, max_length=200)] = "roles"
    roles: Mapping[str, Role] = {}
    """What a value of that claim makes of somebody. Who has none, or values of two roles, is not let in."""
    amr: tuple[Annotated[str, Meta(min_length=1, max_length=60)], ...] = ()
    """Ways of signing in of which one must have been used, such as `mfa`; empty: the second factor is left to the provider."""


class Console(_Part, frozen=True, kw_only=True):
    """The pages on which reviewers work."""

    enabled: bool = True
    address: Annotated[str, Meta(pattern=r"^https?://[^/\s]+$", max_length=500)] | None = None
    """Where reviewers reach it, as they type it, such as `https://safety.example`: links lead there, and with https cookies travel over
    nothing else. None: the server's own address."""
    idle_minutes: Annotated[int, Meta(ge=1, le=240)] = 30
    """A session in which nothing happens ends after that."""
    session_hours: Annotated[int, Meta(ge=1, le=24)] = 10
    """Every session ends after that."""
    oidc: Oidc | None = None
    """None: everybody signs in with a password and an authenticator of the console."""


class Approvals(_Part, frozen=True, kw_only=True):
    """People that a consequence takes, whoever gave the verdict among them."""

    report: Annotated[int, Meta(ge=1, le=5)] = 1
    suspension: Annotated[int, Meta(ge=1, le=5)] = 1
    ban: Annotated[int, Meta(ge=1, le=5)] = 2
    decline: Annotated[int, Meta(ge=2, le=5)] = 2
    """No report although the harm was confirmed; one of them is a lead."""


class Cases(_Part, frozen=True, kw_only=True):
    """How people work on cases."""

    lock_minutes: Annotated[float, Meta(ge=1, le=1440)] = 30.0
    """A case that somebody took is free again after that, unless they hold on to it."""
    approvals: Approvals = Approvals()
    sample: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Share of verdicts that a second person reviews without seeing the first."""
    limit_days: Annotated[float, Meta(gt=0, le=366)] = 7.0
    """How long the reversible limits on an account last once a person confirmed a case, unless that person says otherwise."""
    budget_minutes: Annotated[float, Meta(gt=0, le=1440)] = 180.0
    """Weighted minutes a day that one person may be exposed to: text counts once, a blurred picture twice, a clear one five times."""
    break_after_minutes: Annotated[float, Meta(gt=0, le=1440)] = 60.0
    """Weighted minutes after which a break is due."""
    break_minutes: Annotated[float, Meta(gt=0, le=480)] = 15.0


class UserReports(_Part, frozen=True, kw_only=True):
    """What people tell about others, by `POST /v1/user-reports`."""

    keep_days: Annotated[float, Meta(gt=0, le=366)] = 30.0
    """What a report points at is kept at least so long from the moment it comes; a year once a person has confirmed it."""
    anonymous_an_hour: Annotated[int, Meta(ge=1, le=1_000_000)] = 600
    """Anonymous reports in any sixty minutes, of everybody together."""


class HelpPage(_Part, frozen=True, kw_only=True):
    """The page `/with-you`, for somebody who is threatened, and the helplines that it shows."""

    page: Literal["on", "off"] = "on"
    reports: Literal["on", "linked", "off"] = "on"
    """Who may report from the page: `on` everybody, `linked` those who came by a link that your service made, `off` nobody."""
    link_minutes: Annotated[float, Meta(gt=0, le=1440)] = 30.0
    """A link that was not tapped by then does nothing any more."""
    keep_days: Annotated[float, Meta(gt=0, le=90)] = 14.0
    """The first tap keeps the messages of that conversation so long, unless a report keeps them longer."""
    checked: Mapping[str, date] = {}
    """Helplines of ours that you tried, by their ids, and when: "gb-childline" = 2026-11-23. After a year they count as unconfirmed."""
    without: tuple[Annotated[str, Meta(max_length=60)], ...] = ()
    """Helplines of ours that are not to be shown, by their ids."""


class FamilyPages(_Part, frozen=True, kw_only=True):
    """The pages under `/family`."""

    page: Literal["on", "off"] = "on"


class Person(_Part, frozen=True, kw_only=True):
    """Somebody of the service whom an authority may ask."""

    first_name: Annotated[str, Meta(max_length=100)] = ""
    last_name: Annotated[str, Meta(max_length=100)] = ""
    email: Annotated[str, Meta(max_length=254)] = ""
    phone: Annotated[str, Meta(max_length=40)] = ""


class Service(_Part, frozen=True, kw_only=True):
    """What a report says about the service itself."""

    name: Annotated[str, Meta(max_length=100)] = ""
    """Of the product, as people know it."""
    company: Annotated[str, Meta(max_length=200)] = ""
    establishment: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] = "US"
    """Where the company is established: which authority reports go to."""
    reporter: Person = Person()
    contact: Person | None = None
    template: Annotated[str, Meta(max_length=3000)] = ""
    terms: Annotated[str, Meta(max_length=3000)] = ""
    terms_url: Annotated[str, Meta(max_length=2083)] = ""
    legal_url: Annotated[str, Meta(max_length=2083)] = ""
    console: Annotated[str, Meta(max_length=100)] = ""
    may_classify: bool = False
    """The company signed the industry's hash-sharing agreement."""


class CyberTiplineAccess(_Part, frozen=True, kw_only=True):
    """NCMEC's reporting API. None of it set: reports can be drafted, checked and exported, and none is sent."""

    to: Annotated[str, Meta(max_length=2000)] | None = None
    """`production`, `test` (the authority's own test host), or the URL of a stand-in."""
    username: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    password_file: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path, relative to the home folder; only its owner may read it."""
    password_env: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Name of the environment variable that holds the password."""


class Authorities(_Part, frozen=True, kw_only=True):
    cybertipline: CyberTiplineAccess = CyberTiplineAccess()
    allowed: tuple[Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")], ...] = ("ncmec",)
    """Whom reports may go to, whatever the routing says."""


class NoticeSettings(_Part, frozen=True, kw_only=True):
    """Notices to hosts of what lies on somebody else's service."""

    endpoint: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Which of `endpoints` sends them, such as a relay to your mail server. None: people send them by hand."""
    escalate_to: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Which of `endpoints` is told of a host that does not answer. None: it shows in the queue and in readiness only."""
    contact: Annotated[str, Meta(max_length=254)] = ""
    """The e-mail address that hosts answer to; empty: `service.reporter.email`."""


class DeterrenceSettings(_Part, frozen=True, kw_only=True):
    """What searches are answered with."""

    table: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path of your own table of categories, messages, actions and help, relative to the home folder; None: the one that ships."""


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
    vault: VaultSettings = VaultSettings()
    identities: IdentitySettings = IdentitySettings()
    console: Console = Console()
    cases: Cases = Cases()
    user_reports: UserReports = UserReports()
    service: Service = Service()
    authorities: Authorities = Authorities()
    help_page: HelpPage = HelpPage()
    notices: NoticeSettings = NoticeSettings()
    deterrence: DeterrenceSettings = DeterrenceSettings()
    gates_table: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    """Path of your own table of gates, relative to the home folder; None: the one that ships."""
    family_pages: FamilyPages = FamilyPages()


_SECTIONS: Mapping[str, Any] = {
    "server": Server,
    "retention": Retention,
    "self_reports": SelfReports,
    "cases": Cases,
    "approvals": Approvals,
    "user_reports": UserReports,
    "vault": VaultSettings,
    "identities": IdentitySettings,
    "console": Console,
    "service": Service,
    "reporter": Person,
    "contact": Person,
    "authorities": Authorities,
    "cybertipline": CyberTiplineAccess,
    "help_page": HelpPage,
    "notices": NoticeSettings,
    "kms": KmsSettings,
    "deterrence": DeterrenceSettings,
    "oidc": Oidc,
    "family_pages": FamilyPages,
}


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


def resolver(settings: Settings, environ: Mapping[str, str] | None = None) -> Endpoint | None:
    """The identity resolver with its secret. Raises Invalid where the secret is missing."""
    given = settings.identities.resolver
    if given is None:
        return None
    environ = os.environ if environ is None else environ
    secret = given.secret or (environ.get(given.secret_env) if given.secret_env else None)
    if not secret:
        raise Invalid("identities.resolver needs `secret`, or `secret_env` naming a variable that is set", field=FILE)
    return Endpoint(name="identities.resolver", url=given.url, secret=secret)


def authority_password(access: CyberTiplineAccess, home: Path, environ: Mapping[str, str] | None = None) -> str:
    """Read when it is needed, never kept in the settings. Raises Invalid where it is missing, or others may read its file."""
    return _secret(access.password_file, access.password_env, "authorities.cybertipline", "password", home, environ)


def kms_token(kms: KmsSettings, home: Path, environ: Mapping[str, str] | None = None) -> str:
    """Read at each call. Raises Invalid as `authority_password` does."""
    return _secret(kms.token_file, kms.token_env, "vault.kms", "token", home, environ)


def provider_secret(given: Oidc, home: Path, environ: Mapping[str, str] | None = None) -> str:
    """The client secret at the identity provider. Raises as `authority_password`."""
    return _secret(given.client_secret_file, given.client_secret_env, "console.oidc", "client_secret", home, environ)


def _secret(file: str | None, variable: str | None, where: str, what: str, home: Path, environ: Mapping[str, str] | None) -> str:
    environ = os.environ if environ is None else environ
    if file is not None:
        path = home / file
        try:
            if path.stat().st_mode & 0o077:
                raise Invalid(f"{path} may be read by others: chmod 600 it", field=f"{where}.{what}_file")
            found = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{path} cannot be read: {type(error).__name__}", field=f"{where}.{what}_file") from None
    else:
        found = environ.get(variable or "", "")
    if not found or not found.isprintable():
        named = what.replace("_", " ")
        raise Invalid(f"a {named} is needed: `{what}_file`, or `{what}_env` naming a variable that is set", field=where)
    return found


def _explained(complaint: str) -> Invalid:
    """msgspec's words about the file, with what is allowed."""
    what, _, at = complaint.partition(" - at `$")
    path = at.rstrip("`").lstrip(".")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        section: Any = Settings
        for step in path.split(".") if path else ():
            section = _SECTIONS.get(step, EndpointSettings)
        allowed = [f.name for f in msgspec.structs.fields(section)]
        close = get_close_matches(unknown[1], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        what = f"there is no setting {unknown[1]!r} here{hint} Allowed: {', '.join(allowed)}"
    if "matching regex" in what:
        what = (
            "must be a country by its two letters, such as GB"
            if path in ("place", "service.establishment")
            else "must be an http or https URL"
        )
    return Invalid(f"{path}: {what}" if path else what, field=FILE)


def _check(settings: Settings) -> None:
    levels = [settings.levels.get(level) for level in (Level.LOW, Level.ELEVATED, Level.HIGH)]
    known = [x for x in levels if x is not None]
    if len(known) != 3 or known != sorted(known) or Level.NONE in settings.levels:
        raise Invalid("levels needs low, elevated and high, in rising order", field=FILE)
    for name in ("endpoint", "escalate_to"):
        given = getattr(settings.notices, name)
        if given is not None and given not in settings.endpoints:
            raise Invalid(f"notices.{name}: there is no endpoint {given!r} among `endpoints`", field=FILE)
