"""Linear heads over what the features and the small models make of a text: how plainly it shows each cue that was learned.

Two tiers. `light` reads hashed features and the static table, on every message. `deep` reads the encoder's vector, where a detector
asked for it. Both give probabilities that were calibrated on lines that the head had not seen (`models/cues.json`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlight.senses.text.hashed import hashed
from nightlight.senses.text.meaning import MODELS, Vector

HASHED_SCALE = 3.0
STATIC_SCALE = 3.0
DEEP_SCALE = 4.0
"""By what each kind of feature is multiplied before a head reads it: training and use must agree."""

LIGHT_MOST, DEEP_MOST = 0.36, 0.54
"""Of a learned cue's strength: a likeness is never as sure as a phrase, and the cheap tier's less than the encoder's."""
FOOT, TOP = -3.0, 1.0
"""The log odds between which a strength rises from 0 to 1: from one in twenty, below which the little doubts of many lines would add up to
something, to three in four. Chosen on authors that the heads had not seen, with conversations of one length."""

Strengths = NDArray[np.float32]
"""Shape (cues,), 0 to 1, in the order of `Heads.names`."""


class Heads:
    """Threads may share one. Raises KeyError where the file lacks a part, OSError where there is none."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file, np.load(file) as parts:  # opened here, since a file that is none would stay open
            self.names: tuple[str, ...] = tuple(str(name) for name in parts["names"])
            self._rows: NDArray[np.int8] = parts["hashed"]
            self._row_scale: Vector = parts["hashed_scale"].astype(np.float32)
            self._static: Vector = parts["static"].astype(np.float32)
            self._light_bias: Vector = parts["light_bias"].astype(np.float32)
            self._deep: Vector = parts["deep"].astype(np.float32)
            self._deep_bias: Vector = parts["deep_bias"].astype(np.float32)
            self._deep_light: Vector = parts["deep_light"].astype(np.float32)
            self.encoder = str(parts["encoder"])
            """SHA-256 of the encoder whose vectors the deep heads read."""

    def light_logits(self, words: Sequence[str], static: Vector) -> Vector:
        """`static`: of the same text, shape (256,). About 30 microseconds."""
        found = hashed(words)
        logits: Vector = self._light_bias + STATIC_SCALE * (static @ self._static)
        if found:
            total = self._rows[found].sum(0, dtype=np.int32)
            logits = logits + total * self._row_scale * np.float32(HASHED_SCALE / np.sqrt(len(found)))
        return logits

    def deep_logits(self, light: Vector, vector: Vector) -> Vector:
        """Both tiers together, whose errors differ. `light`: the same text's `light_logits`; `vector`: the encoder's, shape (384,)."""
        logits: Vector = self._deep_light * light + self._deep_bias + DEEP_SCALE * (vector @ self._deep)
        return logits

    def light(self, logits: Vector) -> Strengths:
        return LIGHT_MOST * strengths(logits)

    def deep(self, logits: Vector) -> Strengths:
        return DEEP_MOST * strengths(logits)

    def hint(self, logits: Vector) -> float:
        """How strong the likeliest cue is by the light logits, before `LIGHT_MOST`."""
        return float(strengths(logits).max(initial=0.0))


def strengths(logits: Vector) -> Strengths:
    out: Strengths = np.minimum(np.maximum((logits - FOOT) / (TOP - FOOT), 0.0), 1.0).astype(np.float32, copy=False)
    return out


@cache
def default_heads() -> Heads | None:
    """Those that ship; None where a build left them out: the phrases stand alone then."""
    path = MODELS / "cues.npz"
    return Heads(path) if path.exists() else None


def shipped_encoder() -> str:
    """SHA-256 of the encoder here, as its manifest says."""
    manifest = json.loads((MODELS / "manifest.json").read_text("utf-8"))
    return str(manifest["files"]["minilm.onnx"]["sha256"])
