"""A small complete detector to copy: requests sent again after they were declined. `build()` is how it is found."""

from __future__ import annotations

from nightlight.core.detect import Detector

from .detector import AskedAgain


def build() -> Detector:
    return AskedAgain()
