"""What can go wrong, in words the caller can act on. Each has a stable code; the web room maps them to RFC 9457 problems."""

from __future__ import annotations


class NightlightError(Exception):
    """The root of every error that is meant to be read by a caller."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        """Path of the offending field in the caller's own input, such as `targets[0].age_band`."""


class Invalid(NightlightError):
    """The input is malformed or breaks a documented limit."""

    code = "invalid"


class TooLarge(Invalid):
    """The input is well formed but larger than a documented limit."""

    code = "too_large"


class Conflict(NightlightError):
    """The same id or name was used before for something else."""

    code = "conflict"


class NotFound(NightlightError):
    code = "not_found"


class Unauthenticated(NightlightError):
    """No API key, or one that is unknown or revoked."""

    code = "unauthenticated"


class Denied(NightlightError):
    """The caller is known but lacks the scope."""

    code = "denied"


class Busy(NightlightError):
    """A bounded queue is full; nothing was accepted, trying again later is safe."""

    code = "busy"


class Unavailable(NightlightError):
    """Something that is needed, such as the database, cannot be reached just now; trying again is safe."""

    code = "unavailable"


class Tampered(NightlightError):
    """Sealed content or an audit row does not authenticate."""

    code = "tampered"


class StaleHead(Exception):
    """Another writer moved the partition since it was read; the batch must be computed again. Never reaches a caller."""
