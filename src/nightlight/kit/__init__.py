"""The public test kit: what a detector must obey, and how well it does.

Laws that run on every detector (`laws`), the reader of a detector's own examples (`examples`), the slow and obviously correct
twin of the pipeline (`run`), the reader of conversation corpora (`corpus`) and the scores computed on them (`evaluate`).

It imports only `core`. What stands behind a Protocol, such as the senses, is handed in: `nightlight.app.harness.senses()` gives the
real ones. Nothing of the running service imports the laws, so `hypothesis` is needed only where detectors are tested.
"""

from __future__ import annotations

from pathlib import Path

from nightlight.core.detect import Detector
from nightlight.core.services import SenseEngine

__all__ = ["check_detector"]


def check_detector(detector: Detector, senses: SenseEngine, *, examples: Path | None = None) -> None:
    """Run every law of `nightlight.kit.laws` on a detector.

    `senses` is a fresh engine, such as `nightlight.app.harness.senses()`. `examples` is the path of an `examples.jsonl`; None: the one
    beside the module of the detector's class. Its folder is taken as the detector's folder.

    Raises AssertionError naming every law that failed, the example it failed on and what to look at.
    """
    from nightlight.kit.laws import check  # hypothesis takes a while to import, and an evaluation has no use for it

    check(detector, senses, examples=examples)
