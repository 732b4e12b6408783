"""Passwords, one-time codes and recovery codes of reviewers: made, hashed and compared."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Callable
from datetime import datetime
from threading import BoundedSemaphore
from typing import TypeVar

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from nightlight.core.errors import Busy, Invalid

T = TypeVar("T")

STEP_S = 30
"""RFC 6238, section 5.2: as every authenticator has it."""
DRIFT = 1
"""Steps that a clock may be off, either way: RFC 6238 recommends one."""
RECOVERY_CODES = 10
SHORTEST, LONGEST = 12, 200
"""Characters of a password. NIST SP 800-63B asks for 15 where it is the only factor and 8 beside a second; 12 is between. No rule about
kinds of characters: those make passwords worse (same source)."""
AT_ONCE = 2
"""Hashes computed at once: each takes 64 MiB, and a flood of sign-ins must not take the machine's memory."""
WAIT_S = 5.0

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that is mistaken for another
_turns = BoundedSemaphore(AT_ONCE)


class Passwords:
    """Argon2id with RFC 9106's second recommended parameters (64 MiB, 3 passes, 4 lanes), argon2-cffi's own defaults."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(24))

    def hash(self, password: str) -> str:
        return self._in_turn(lambda: self._hasher.hash(_plain(password)))

    def fits(self, stored: str | None, password: str) -> bool:
        """As long for a person who is not there as for one who is."""

        def work() -> bool:
            try:
                self._hasher.verify(stored if stored is not None else self._nobodys, _plain(password[: LONGEST + 1]))
            except (Argon2Error, InvalidHashError):
                return False
            return stored is not None

        return self._in_turn(work)

    @staticmethod
    def _in_turn(work: Callable[[], T]) -> T:
        if not _turns.acquire(timeout=WAIT_S):
            raise Busy("many people sign in just now; try again")
        try:
            return work()
        finally:
            _turns.release()


def check_password(password: str, *, id: str, name: str) -> None:
    """Raises Invalid for one that is short, or that anybody would try first."""
    plain = _plain(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise Invalid(f"a password has {SHORTEST} to {LONGEST} characters; a few words in a row are easy to keep", field="password")
    if len(set(plain)) < 5:
        raise Invalid("these are almost all the same character", field="password")
    low = plain.casefold()
    if any(
        len(part) > 3 and part.casefold() in low and len(part) * 2 >= len(plain) for part in (id, *name.split(), "nightlight", "password")
    ):
        raise Invalid("this is mostly your name, or a word that everybody tries first", field="password")


def totp_step(key: str, code: str, now: datetime, after: int) -> int | None:
    """The step whose code this is, none at or before `after`; None where it is of none. Every step is compared, whichever fits."""
    current = int(now.timestamp()) // STEP_S
    given = code if len(code) == 6 and code.isascii() and code.isdigit() else "------"
    found: int | None = None
    one = pyotp.TOTP(key, interval=STEP_S)
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(one.generate_otp(step), given) and step > after and found is None:
            found = step
    return found


def new_code(groups: int = 4, size: int = 5) -> str:
    """`xxxxx-xxxxx-xxxxx-xxxxx`: 99 bits as it stands."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(size)) for _ in range(groups))


def read_code(code: str) -> str:
    """As it was made, however it was typed."""
    return "".join(c for c in code[:100].casefold() if c in _ALPHABET)


def _plain(password: str) -> str:
    # NIST SP 800-63B: normalised, so that a password typed on another keyboard is the same.
    return unicodedata.normalize("NFKC", password)
