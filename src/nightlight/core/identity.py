"""Who is behind an account, as a service sends it: the body of `PUT /v1/accounts/{account}/identity` and the answer of its resolver.

The same fields as `KnownIdentity`, strictly: what is misspelt, too long or a time without a zone is an error and never silently lost.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from nightlight.core.event import Moment, Wire
from nightlight.core.vault import KnownIdentity

Short = Annotated[str, Meta(max_length=256)]
Url = Annotated[str, Meta(max_length=2083)]
Country = Annotated[str, Meta(pattern=r"^([A-Z]{2})?$")]
Day = Annotated[date, Meta(description="YYYY-MM-DD")]


class EmailBody(Wire, frozen=True, kw_only=True):
    address: Annotated[str, Meta(min_length=1, max_length=320)]
    kind: Short | None = None
    """In the authority's words: Home, Work, Business, Recovery."""
    verified: bool | None = None
    verified_at: Moment | None = None


class PhoneBody(Wire, frozen=True, kw_only=True):
    number: Annotated[str, Meta(min_length=1, max_length=64)]
    country_code: Annotated[str, Meta(pattern=r"^\+[0-9]{1,3}$")] | None = None
    extension: Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")] | None = None
    kind: Short | None = None
    verified: bool | None = None
    verified_at: Moment | None = None


class AddressBody(Wire, frozen=True, kw_only=True):
    street: Short = ""
    city: Short = ""
    zip: Short = ""
    state: Short = ""
    region: Short = ""
    country: Country = ""
    kind: Short | None = None


class IpEventBody(Wire, frozen=True, kw_only=True):
    address: Annotated[str, Meta(min_length=1, max_length=64)]
    event: Short = "Unknown"
    at: Moment | None = None
    proxy: bool | None = None
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None


class DeviceBody(Wire, frozen=True, kw_only=True):
    kind: Short
    value: Url
    event: Short | None = None
    at: Moment | None = None


class PersonBody(Wire, frozen=True, kw_only=True):
    first_name: Annotated[str, Meta(max_length=100)] = ""
    last_name: Annotated[str, Meta(max_length=100)] = ""
    born: Day | None = None
    emails: Annotated[tuple[EmailBody, ...], Meta(max_length=100)] = ()
    phones: Annotated[tuple[PhoneBody, ...], Meta(max_length=100)] = ()
    addresses: Annotated[tuple[AddressBody, ...], Meta(max_length=100)] = ()


class IdentityBody(Wire, frozen=True, kw_only=True):
    identity: PersonBody = PersonBody()
    screen_name: Short = ""
    display_names: Annotated[tuple[Short, ...], Meta(max_length=100)] = ()
    profile_url: Url = ""
    ip_events: Annotated[tuple[IpEventBody, ...], Meta(max_length=1000)] = ()
    devices: Annotated[tuple[DeviceBody, ...], Meta(max_length=1000)] = ()

    def known(self) -> KnownIdentity:
        return msgspec.convert(msgspec.to_builtins(self), KnownIdentity)
