"""Fills `core.provider.ProviderSignIn`: a way out to the provider and back, with what must not be forged sealed in the browser."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta

import msgspec
from msgspec import Struct

from nightlight.adapters.provider import Asked, Provider, Refused
from nightlight.adapters.store.arrivals import REFUSED, SqlArrivals
from nightlight.core.clock import Clock
from nightlight.core.errors import NightlightError, Unauthenticated
from nightlight.core.ports import Sealer
from nightlight.core.provider import Arrival, Departure

WITHIN = timedelta(minutes=10)
"""How long somebody may be at the provider: as long as an authorization code should live at most (RFC 6749, section 4.1.2)."""
CONTEXT = "console:provider"


class _Away(Struct, frozen=True, kw_only=True):
    asked: Asked
    redirect_uri: str
    after: str
    at: float


class SignInElsewhere:
    def __init__(self, name: str, provider: Provider, store: SqlArrivals, sealer: Sealer, clock: Clock) -> None:
        self._name, self._provider, self._store, self._sealer, self._clock = name, provider, store, sealer, clock

    @property
    def name(self) -> str:
        return self._name

    def depart(self, redirect_uri: str, after: str) -> Departure:
        url, asked = self._provider.ask(redirect_uri)
        away = _Away(asked=asked, redirect_uri=redirect_uri, after=after, at=self._clock.now().timestamp())
        sealed = self._sealer.seal(msgspec.json.encode(away), CONTEXT)
        return Departure(url=url, sealed=base64.urlsafe_b64encode(sealed).decode())

    def arrive(self, sealed: str, redirect_uri: str, answer: dict[str, str], browser: str = "") -> Arrival:
        try:
            away = self._away(sealed, redirect_uri)
            # Before anything is asked of the provider: of two that bring the same answer at once, one goes on.
            self._store.use(away.asked.state, 2 * WITHIN)
            who = self._provider.take(answer, away.asked, redirect_uri, self._clock.now().timestamp())
        except Refused as error:
            self._store.refuse(str(error))
            raise Unauthenticated(REFUSED) from None
        return Arrival(secret=self._store.let_in(who, browser), after=away.after)

    def _away(self, sealed: str, redirect_uri: str) -> _Away:
        try:
            raw = self._sealer.open(base64.urlsafe_b64decode(sealed.encode()), CONTEXT)
            away = msgspec.json.decode(raw, type=_Away)
        except (NightlightError, binascii.Error, ValueError, msgspec.DecodeError):
            raise Refused("not begun here") from None
        age = self._clock.now().timestamp() - away.at
        if not 0 <= age <= WITHIN.total_seconds():
            raise Refused("too late")
        if away.redirect_uri != redirect_uri:
            raise Refused("another address")
        return away
