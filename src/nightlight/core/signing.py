"""The port of signatures: what leaves this installation and must be provable later, such as a case export."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Ed25519 (RFC 8032). The private key never leaves it."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        ...

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        ...


class Verifier(Protocol):
    def verify(self, public_key: bytes, signature: bytes, data: bytes) -> bool:
        """False for anything that is not that key's signature of exactly that data, malformed keys and signatures too."""
        ...
