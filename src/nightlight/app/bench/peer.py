"""The peer that matching is measured beside: python-threatexchange, which HMA is made of. Installed by `make peers`."""

from __future__ import annotations

from collections.abc import Callable

Hasher = Callable[[bytes], str]


def peer_pdq() -> Hasher | None:
    """`PdqSignal.hash_from_bytes`: 64 hexadecimal digits, or empty where it makes none; None where the peer is not installed."""
    try:
        from threatexchange.signal_type.pdq.signal import PdqSignal
    except ImportError:
        return None

    def hashed(data: bytes) -> str:
        return str(PdqSignal.hash_from_bytes(data))

    return hashed
