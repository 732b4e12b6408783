"""Looking at a picture of a case: asked for with a reason, recorded before anything is handed out, never more than was asked."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from nightlight.core.staff import Staff


class Shown(Struct, frozen=True, kw_only=True):
    png: bytes
    """Greyscale, 8 bits, encoded by the service itself from pixels: nothing of the file's own bytes."""
    width: int
    height: int
    whole: bool
    """False for one frame of a video."""


class Reveal(Protocol):
    """Raises Denied for a role that may not, NotFound for what the vault does not hold for the case, Conflict for who has not locked the
    case, Invalid for a missing reason and for what cannot be decoded."""

    def show(self, who: Staff, case: str, sha256: str, reason: str, *, blurred: bool) -> Shown:
        """On the audit before this returns, and kept as a view that was not whole: nobody may have looked yet."""
        ...

    def seen(self, who: Staff, case: str, sha256: str, seconds: float, *, blurred: bool) -> None:
        """What `show` handed out was so long on the screen. Counts as exposure; from a second on, it was seen. Conflict where nothing of
        the kind was handed out to them."""
        ...
