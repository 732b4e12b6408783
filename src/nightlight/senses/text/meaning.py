"""What small models make of a text: a static vector for every message, and the encoder's where somebody asks for it.

Both come of all-MiniLM-L6-v2 (see `models/MODEL.md`). Loaded on first use; nothing here reads a network or keeps a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODELS = Path(__file__).with_name("models")
MOST_TOKENS = 64
"""Of one segment that the encoder reads; its cost grows with them."""
REMEMBERED, LONGEST_REMEMBERED = 10_000, 24
"""Words whose pieces are kept at hand, and letters of the longest of them."""

Vector = NDArray[np.float32]


class Meaning:
    """Threads may share one."""

    def __init__(self, folder: Path = MODELS) -> None:
        from tokenizers import Tokenizer

        self._folder = folder
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        with np.load(folder / "static.npz") as table:
            self._rows: NDArray[np.int8] = table["rows"]
            self._scale: Vector = table["scale"]
        self._session: Any = None
        self._first, self._last = self._tokenizer.encode("").ids
        self._of_word = lru_cache(maxsize=REMEMBERED)(self._ids)

    def tokens(self, text: str) -> list[int]:
        """Word pieces with [CLS] and [SEP] about them, at most `MOST_TOKENS`."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids if len(ids) <= MOST_TOKENS else [*ids[: MOST_TOKENS - 1], ids[-1]]

    def tokens_of(self, words: Sequence[str]) -> list[int]:
        """What `tokens` gives for folded words with spaces between them, several times as fast: each word is cut once."""
        ids = [self._first]
        for word in words:
            ids += self._of_word(word) if len(word) <= LONGEST_REMEMBERED else self._ids(word)
            if len(ids) >= MOST_TOKENS:
                return [*ids[: MOST_TOKENS - 1], self._last]
        return [*ids, self._last]

    def _ids(self, word: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(word, add_special_tokens=False).ids)

    def static(self, ids: list[int]) -> Vector:
        """Shape (256,), norm 1; zeros for a text without a known piece. About 10 microseconds."""
        places = np.array(ids)
        total: Vector = self._scale[places] @ self._rows[places].astype(np.float32)
        norm = float(np.sqrt(total @ total))
        return total / np.float32(norm) if norm > 0.0 else total

    def encode(self, ids: list[int]) -> Vector:
        """Shape (384,), norm 1. One to four milliseconds of one core."""
        if self._session is None:
            self._session = _session(self._folder / "minilm.onnx")
        row = np.array([ids], np.int64)
        vector: Vector = self._session.run(None, {"ids": row, "mask": np.ones_like(row)})[0][0]
        return vector


@cache
def default_meaning() -> Meaning:
    return Meaning()


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # many events at once already use all cores
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
