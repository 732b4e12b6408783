"""Sextortion in conversations: pictures asked for, a threat to expose, a demand. `build()` is how it is found."""

from __future__ import annotations

from nightlight.core.detect import Detector

from .detector import Sextortion


def build() -> Detector:
    return Sextortion()
