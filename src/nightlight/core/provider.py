"""Signing in at an identity provider of one's own, as an option beside passwords."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from nightlight.core.staff import Role


class Claimed(Struct, frozen=True, kw_only=True):
    """What a provider says of somebody, its signature and all else checked."""

    issuer: str
    subject: str
    """What the provider knows them by, for good; names change."""
    id: str
    """The sign-in name that the provider gives."""
    name: str
    role: Role


class Departure(Struct, frozen=True, kw_only=True):
    """Somebody is sent to the provider."""

    url: str
    sealed: str
    """What their browser keeps until they are back, readable here alone."""


class Arrival(Struct, frozen=True, kw_only=True):
    secret: str
    """Of the session."""
    after: str
    """Where they wanted to go."""


class ProviderSignIn(Protocol):
    @property
    def name(self) -> str:
        """What the provider is called on the sign-in page."""
        ...

    def depart(self, redirect_uri: str, after: str) -> Departure:
        """Raises Unavailable where the provider does not answer, or not as a provider."""
        ...

    def arrive(self, sealed: str, redirect_uri: str, answer: dict[str, str], browser: str = "") -> Arrival:
        """A session for whoever the provider vouches for. Raises Unauthenticated whatever is wrong with it; the audit says what."""
        ...
