"""Ed25519 (RFC 8032): the port `core.signing` with the installation's own key.

The seed is a subkey of the key file (`Keyring.derive`), so that there is no second secret to keep, to back up or to lose.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EXPORTS = "sign case exports"
"""Purpose of the subkey that signs exported cases: what another purpose signs can never pass for one."""


class Ed25519Signer:
    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 secret bytes. Raises ValueError for any other length."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


class Ed25519Verifier:
    def verify(self, public_key: bytes, signature: bytes, data: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True
