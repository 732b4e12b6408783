"""What each kind of exchange needs: credentials, options, where it is, and the bank that is made for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from nightlight.core.errors import Invalid, Unavailable
from nightlight.core.exchange import Exchange, ExchangeClient, ExchangeKind
from nightlight.core.fingerprint import Fingerprint

Banked = Callable[[str], Sequence[tuple[str, tuple[Fingerprint, ...]]]]
"""Items of a bank after an id, with their fingerprints, in order; for the exchange that is asked about hashes."""
MOST_VALUE = 4000


class Kind(Struct, frozen=True, kw_only=True):
    module: str
    """In this package; its function `client` makes the client."""
    title: str
    credentials: tuple[str, ...] = ()
    """Without these it cannot be fetched."""
    more_credentials: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Options without which it cannot be fetched."""
    places: Mapping[str, str] = {}
    """URL by the option `environment`; the first is the default."""
    authority: bool = False
    """Its list is an authority's: no negative entry overrides it without a lead."""
    generated: frozenset[str] = frozenset()
    """Environments whose whole list was made by generative models."""


# NCMEC's environments are those that python-threatexchange 1.2 knows. They stand here so that a URL can be checked without the package.
_NCMEC = {
    "industry": "https://report.cybertip.org/hashsharing",
    "industry-exploitative": "https://report.cybertip.org/exploitative-hashsharing",
    "law-enforcement": "https://lesp.ncmec.org/csam-hashsharing",
    "ngo": "https://hashsharing.ncmec.org/npo",
    "exploitative": "https://hashsharing.ncmec.org/exploitative",
    "generative-ai": "https://hashsharing.ncmec.org/generative-ai-csam",
    "generative-ai-exploitative": "https://hashsharing.ncmec.org/generative-ai-exploitative",
    "test-industry": "https://exttest.cybertip.org/hashsharing",
    "test-industry-exploitative": "https://exttest.cybertip.org/exploitative-hashsharing",
    "test-law-enforcement": "https://betalesp.ncmec.org/csam-hashsharing",
    "test-ngo": "https://hashsharing-test.ncmec.org/npo",
    "test-exploitative": "https://hashsharing-test.ncmec.org/exploitative",
    "test-generative-ai": "https://hashsharing-test.ncmec.org/generative-ai-csam",
    "test-generative-ai-exploitative": "https://hashsharing-test.ncmec.org/generative-ai-exploitative",
}

KINDS: Mapping[ExchangeKind, Kind] = {
    ExchangeKind.FILE: Kind(module="files", title="files", options=("path", "hash"), needs=("path",)),
    ExchangeKind.NCMEC: Kind(
        module="ncmec",
        title="NCMEC hash sharing",
        credentials=("username", "password"),
        options=("environment", "members", "deny_reason"),
        places=_NCMEC,
        authority=True,
        generated=frozenset(name for name in _NCMEC if "generative-ai" in name),
    ),
    ExchangeKind.STOPNCII: Kind(
        module="stopncii",
        title="StopNCII",
        credentials=("subscription_key", "fetch_key"),
        more_credentials=("feedback_key",),
        places={"": "https://api.stopncii.org/v1"},
    ),
    ExchangeKind.THREATEXCHANGE: Kind(
        module="threatexchange",
        title="Meta ThreatExchange",
        credentials=("api_token",),
        options=("privacy_group", "generated_tag"),
        needs=("privacy_group",),
        places={"": "https://graph.facebook.com/v26.0"},
    ),
    ExchangeKind.ARACHNID: Kind(
        module="arachnid",
        title="Project Arachnid Shield",
        credentials=("username", "password"),
        options=("ask_bank",),
        needs=("ask_bank",),
        places={"": "https://shield.projectarachnid.com"},
        authority=True,
    ),
}


def checked(exchange: Exchange, credentials: Mapping[str, str] | None) -> Exchange:
    """The exchange with its URL filled in. `credentials` None: those it has stay. Raises Invalid naming the field."""
    kind = KINDS[exchange.kind]
    for name, value in exchange.options.items():
        if name not in kind.options:
            known = ", ".join(kind.options) or "none"
            raise Invalid(f"this kind has no such option; it has: {known}", field=f"options.{name}"[:100])
        _text(value, f"options.{name}")
    for name in kind.needs:
        if not exchange.options.get(name):
            raise Invalid("this kind needs it", field=f"options.{name}")
    if credentials is not None:
        _credentials(kind, credentials)
    if exchange.kind is ExchangeKind.FILE:
        if exchange.url:
            raise Invalid("files have none: give the option `path`", field="url")
        return exchange
    if exchange.kind is ExchangeKind.THREATEXCHANGE and not exchange.options["privacy_group"].isascii():
        raise Invalid("the number of the group", field="options.privacy_group")
    if exchange.kind is ExchangeKind.THREATEXCHANGE and not exchange.options["privacy_group"].isdigit():
        raise Invalid("the number of the group", field="options.privacy_group")
    environment = exchange.options.get("environment", next(iter(kind.places)))
    if environment not in kind.places:
        raise Invalid(f"must be one of: {', '.join(kind.places)}", field="options.environment")
    return msgspec.structs.replace(exchange, url=checked_url(exchange.url or kind.places[environment]))


def checked_url(url: str) -> str:
    """Raises Invalid unless it is https, or http to this very machine, with nothing in it that could be secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid("this is no URL", field="url") from None
    if len(url) > 500 or not url.isascii() or not url.isprintable() or " " in url or "\\" in url or not host:
        raise Invalid("this is no URL", field="url")
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(host)):
        raise Invalid("must begin with https://; http:// only for this machine itself", field="url")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
        raise Invalid("without user, password, query or fragment: credentials are kept apart, sealed", field="url")
    return url.rstrip("/")


def build(exchange: Exchange, credentials: Mapping[str, str], banked: Banked | None = None) -> ExchangeClient:
    """The client of an exchange. Raises Unavailable where the package behind its kind is not installed, Invalid where credentials lack."""
    kind = KINDS[exchange.kind]
    _credentials(kind, credentials)
    try:
        module = import_module(f"nightlight.adapters.exchanges.{kind.module}")
    except ImportError as error:
        if (error.name or "").startswith("nightlight"):
            raise
        raise Unavailable(
            f"{kind.title} needs the package {error.name}, which is not installed: pip install 'nightlight[exchanges]'", field="kind"
        ) from None
    client: ExchangeClient = module.client(exchange, credentials, banked)
    return client


def _credentials(kind: Kind, given: Mapping[str, str]) -> None:
    known = (*kind.credentials, *kind.more_credentials)
    for name, value in given.items():
        if name not in known:
            raise Invalid(f"this kind has no such credential; it has: {', '.join(known) or 'none'}", field="credentials")
        _text(value, f"credentials.{name}")
        # They travel in headers and links.
        if not value.isascii() or any(c.isspace() for c in value):
            raise Invalid("printable ASCII without spaces", field=f"credentials.{name}")
    for name in kind.credentials:
        if not given.get(name):
            raise Invalid("this kind needs it", field=f"credentials.{name}")


def _text(value: str, field: str) -> None:
    if not 1 <= len(value) <= MOST_VALUE or not value.isprintable():
        raise Invalid(f"1 to {MOST_VALUE:,} printable characters", field=field[:100])


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
