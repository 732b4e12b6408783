"""Grooming in conversations: what one side does to another that may be a child. `build()` is how it is found."""

from __future__ import annotations

from nightlight.core.detect import Detector

from .detector import Grooming


def build() -> Detector:
    return Grooming()
