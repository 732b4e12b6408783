"""People who are signed in to the console of a whole service, for tests."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pyotp
from argon2 import PasswordHasher
from litestar import Litestar

from nightlight.adapters.store.reviewer_secrets import Passwords
from nightlight.adapters.store.reviewers import SqlReviewers
from nightlight.app.bootstrap import Nightlight
from nightlight.core.staff import Role

PASSWORD = "four plain words here"
COOKIE = "nightlight_session"


def quick(service: SqlReviewers) -> None:
    """Argon2id at its least cost: what it costs is not what a test of pages is about."""
    service._given = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Member:
    """One of the staff, with an authenticator. `now_code` is a code not used before: the account's last step is put back."""

    def __init__(self, graph: Nightlight, id: str, role: Role) -> None:
        self.graph, self.id, self.role = graph, id, role
        quick(graph.reviewers)
        _, code = graph.reviewers.add(id, id.title(), role, "cli:test")
        self.key = graph.reviewers.enrolment(code).key
        _, self.recovery = graph.reviewers.enrol(code, PASSWORD, self.totp())
        self._recovery = iter(self.recovery)

    def totp(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.key).at(self.graph.clock.now() + timedelta(seconds=30 * steps))

    def fresh_code(self) -> str:
        """A recovery code: the authenticator's was used when this member enrolled."""
        return next(self._recovery)

    def secret(self) -> str:
        """Of a new session."""
        return self.graph.reviewers.sign_in(self.id, PASSWORD, self.fresh_code())


class ConsoleClient:
    """Speaks to the app without a socket, as a browser on this machine that keeps its cookie."""

    def __init__(self, app: Litestar, secret: str | None = None, base: str = "http://localhost", address: str = "127.0.0.1") -> None:
        self.app, self.base, self.address = app, base, address
        self.cookies: dict[str, str] = {} if secret is None else {COOKIE: secret}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 4000))  # type: ignore[arg-type]  # as in client.py
            async with httpx.AsyncClient(transport=transport, base_url=self.base, cookies=self.cookies, trust_env=False) as client:
                answer = await client.request(method, path, **options)
                self.cookies = dict(client.cookies)
                return answer

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, form: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        headers = {"content-type": "application/x-www-form-urlencoded", **options.pop("headers", {})}
        return self.request("POST", path, content=urlencode(form or {}), headers=headers, **options)

    def csrf(self) -> str:
        """As the pages have it."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get("/console/sessions").text)
        assert found is not None
        return found[1]
