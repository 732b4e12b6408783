"""A child in immediate danger: a threat to life, self-harm, harm disclosed. `build()` is how it is found."""

from __future__ import annotations

from nightlight.core.detect import Detector

from .detector import ImmediateDanger


def build() -> Detector:
    return ImmediateDanger()
