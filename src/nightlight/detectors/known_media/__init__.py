"""Pictures that a bank already knows: known child sexual abuse material, found by its hashes. `build()` is how it is found."""

from __future__ import annotations

from nightlight.core.detect import Detector
from nightlight.detectors.known_media.detector import KnownMedia

__all__ = ["KnownMedia", "build"]


def build() -> Detector:
    return KnownMedia()
