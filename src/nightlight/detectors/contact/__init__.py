"""How one account approaches others, from traffic alone and without a word of content. `build()` is how it is found."""

from __future__ import annotations

from nightlight.core.detect import Detector

from .detector import Contact


def build() -> Detector:
    return Contact()
