"""Reviewers' accounts: who may sign in to the console, as what, and the service that says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from nightlight.core.ports import AuditEntry
from nightlight.core.staff import Role, Staff


class Person(Struct, frozen=True, kw_only=True):
    id: str
    """What they type to sign in, lower case; cases and the audit name them by it."""
    name: str
    role: Role
    created_at: datetime
    enrolled: bool
    """They have chosen a password and added an authenticator."""
    disabled: bool = False
    recovery_codes: int = 0
    """How many are left."""

    @property
    def staff(self) -> Staff:
        """As the desk of cases knows them."""
        return Staff(id=self.id, role=self.role)


class Enrolment(Struct, frozen=True, kw_only=True):
    """What a new person needs to set up their authenticator. Shown on their own page and nowhere else."""

    person: Person
    key: str
    """The shared key, Base32."""
    uri: str
    """The same as `otpauth://`, for a QR code."""


class SignedIn(Struct, frozen=True, kw_only=True):
    """A session that holds, as a request meets it."""

    person: Person
    session: str
    """Its public id; the secret stays in the cookie."""
    csrf: str
    """What a form must send back."""


class Session(Struct, frozen=True, kw_only=True):
    id: str
    person: str
    created_at: datetime
    seen_at: datetime
    """To the minute."""
    ends_at: datetime
    """At the latest."""
    browser: str
    """Name of the browser and the system, as the browser said it."""


class ReviewerService(Protocol):
    """Accounts and sessions. Every change is one audit entry, in its transaction.

    Whatever is wrong with a sign-in or an enrolment, the answer is the same `Unauthenticated` and takes as long.
    """

    def add(self, id: str, name: str, role: Role, by: str) -> tuple[Person, str]:
        """A new person and their one-time code to enrol with, told here only. Raises Invalid, or Conflict where the id is taken."""
        ...

    def reset(self, id: str, by: str) -> tuple[Person, str]:
        """Password, authenticator, recovery codes and sessions go; a new one-time code. Raises NotFound."""
        ...

    def set_role(self, id: str, role: Role, by: str) -> Person:
        """Their sessions end. Raises NotFound; Conflict for the last administrator who can sign in."""
        ...

    def set_disabled(self, id: str, disabled: bool, by: str) -> Person:
        """Disabled: they cannot sign in, and their sessions end. Raises as `set_role`."""
        ...

    def people(self) -> Sequence[Person]:
        """By id."""
        ...

    def enrolment(self, code: str) -> Enrolment:
        """What stands behind a one-time code. Changes nothing. Raises Unauthenticated."""
        ...

    def enrol(self, code: str, password: str, totp: str) -> tuple[Person, tuple[str, ...]]:
        """Choose a password and show that the authenticator works; recovery codes, told here only.

        Raises Unauthenticated for the code, Invalid for a password that is too weak or a TOTP that is not right.
        """
        ...

    def sign_in(self, id: str, password: str, code: str, browser: str = "") -> str:
        """A session's secret. `code`: of the authenticator, each good once, or a recovery code. Raises Unauthenticated, Busy."""
        ...

    def session(self, secret: str) -> SignedIn | None:
        """None where it is unknown, ended, idle for too long or too old, or the person may not sign in any more."""
        ...

    def sign_out(self, secret: str) -> None: ...

    def sessions(self, person: str | None = None) -> Sequence[Session]:
        """Those that hold; of everybody where nobody is named. The latest first."""
        ...

    def revoke(self, session: str, by: str) -> None:
        """Raises NotFound."""
        ...

    def describe(self, ids: Sequence[str]) -> dict[str, Person]:
        """By id; those that are not known are missing."""
        ...


LOGS = ("cases", "admin", "vault")
"""The chains of what people did: to cases; to accounts, settings and all else; to sealed evidence."""


class AuditTrail(Protocol):
    """The audit, to search in. Shows what is there; `nightlight audit verify` says whether to believe it."""

    def search(
        self,
        log: str = "cases",
        *,
        actor: str = "",
        action: str = "",
        target: str = "",
        before: int | None = None,
        since: datetime | None = None,
        most: int = 50,
    ) -> Sequence[tuple[int, AuditEntry]]:
        """The latest first, each with its number; hand the last one in as `before` for what follows.

        `log`: one of `LOGS`. `actor` and `target` are whole names, or their beginning where they end with `*`; likewise `action`.
        """
        ...
