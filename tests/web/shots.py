"""Pictures of the console for the docs, taken by the tests that walk through it: `make shots` writes them anew."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = os.environ.get("NIGHTLIGHT_DOC_SHOTS")
"""Where they go; unset: none is taken."""
COLOURS = 48
"""Pages have few: with a palette a picture is a third as large, and nobody sees it."""


def shot(page: Page, name: str) -> None:
    """What the window shows now, as `console-<name>.png`. Ids and times differ from run to run; everything else is the same."""
    if FOLDER is None:
        return
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    small = taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(Path(FOLDER) / f"console-{name}.png", optimize=True)
