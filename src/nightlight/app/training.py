"""`nightlight train`: from a folder of texts and harmless chat to `cues.npz` and its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from msgspec import Struct

from nightlight.core.errors import Invalid
from nightlight.kit.corpus import Conversation, stream
from nightlight.kit.train.heads import Fitted, Floats, Scale, calibrate, fit, truths
from nightlight.kit.train.lines import Row, filled, folds, read_rows
from nightlight.senses.text.fold import fold, words
from nightlight.senses.text.hashed import BUCKETS, hashed
from nightlight.senses.text.heads import DEEP_SCALE, HASHED_SCALE, STATIC_SCALE
from nightlight.senses.text.known import WORDS, common_words
from nightlight.senses.text.learned import REASONS
from nightlight.senses.text.meaning import MODELS, Meaning, default_meaning

EACH = 40
"""Messages taken of one harmless conversation: many speakers rather than much of a few."""
LIGHT_PENALTY, DEEP_PENALTY = 1.0, 2.0
LEAST_SLOPE = 1e-3

Vectors = Callable[[str], Any]


class Heads(Struct, frozen=True):
    """The fitted tiers, before calibration."""

    rows: Sequence[Row]
    cues: Sequence[str]
    light: Fitted
    deep: Fitted
    first: Scale
    """Of the light tier alone."""
    both: Scale
    """Of the light and the deep tier together."""

    def unseen(self) -> tuple[Floats, Floats]:
        """Shapes (rows, cues): calibrated logits of the light tier and of both, by heads that had not seen the row's group."""
        return (
            self.light.unseen * self.first.slope[0] + self.first.shift,
            self.light.unseen * self.both.slope[0] + self.deep.unseen * self.both.slope[1] + self.both.shift,
        )


def chat_rows(paths: Sequence[Path], every: tuple[int, int] = (0, 1)) -> list[Row]:
    """Messages of harmless conversations; `every` (first, step) picks which, so that others can be kept for measuring."""
    first, step = every
    out = []
    for path in paths:
        for number, talk in enumerate(one for one in stream(path) if isinstance(one, Conversation)):
            if talk.positive or number % step != first:
                continue
            texts = [filled(line.text, Random(number)) for line in talk.messages if line.text.strip()]
            Random(number).shuffle(texts)
            out += [Row(text, (), "und", f"{path.stem}/{talk.source}-{talk.conversation}") for text in texts[:EACH]]
    return out


def natural(rows: Sequence[Row]) -> Any:
    """Shape (rows,), bool: messages of whole conversations, in which cues are as rare as they are. All where there is none."""
    found = np.array([row.rest == 1.0 for row in rows])
    return found if found.any() else np.ones(len(rows), np.bool_)


def light_matrix(rows: Sequence[Row], meaning: Meaning) -> Any:
    from scipy import sparse

    places, counts, values, vectors = [], [0], [], []
    for row in rows:
        own = words(fold(row.text))
        buckets = hashed(own)
        places += buckets
        values += [HASHED_SCALE / np.sqrt(max(1, len(buckets)))] * len(buckets)
        counts.append(len(places))
        vectors.append(STATIC_SCALE * meaning.static(meaning.tokens(" ".join(own))))
    hashes = sparse.csr_matrix((np.array(values, np.float32), np.array(places), np.array(counts)), shape=(len(rows), BUCKETS))
    return sparse.hstack([hashes, sparse.csr_matrix(np.stack(vectors))]).tocsr()


def deep_matrix(rows: Sequence[Row], encode: Vectors) -> Any:
    return np.stack([encode(row.text) for row in rows]).astype(np.float32) * DEEP_SCALE


def cue_names(rows: Sequence[Row]) -> list[str]:
    """Every cue of the rows. Raises Invalid for one that has no reason in plain words."""
    cues = sorted({cue for row in rows for cue in row.cues})
    if unknown := [cue for cue in cues if cue not in REASONS]:
        raise Invalid(f"no reason is known for the cues {', '.join(unknown)}", field="lines")
    return cues


def train(folder: Path, chats: Sequence[Row], out: Path, *, say: Callable[[str], None] = print, tuned: Fitted | None = None) -> Heads:
    """Write `cues.npz`, `cues.json` and `words.txt` into `out`; returns what was fitted.

    `tuned`: the deep tier where the encoder was tuned with its heads on these very rows, `unseen` from encoders that had not seen the
    row's group, NaN where there is none. Otherwise heads are fitted to the encoder as it ships. Raises Invalid.
    """
    rows = [*read_rows(folder), *chats]
    cues = cue_names(rows)
    meaning = default_meaning()
    truth, sure = truths(rows, cues)
    part = folds(rows)
    say(f"{len(rows)} rows, {len(cues)} cues")
    light = fit(light_matrix(rows, meaning), truth, sure, part, LIGHT_PENALTY)
    say("the first tier is fitted")
    deep = tuned or fit(deep_matrix(rows, lambda text: meaning.encode(meaning.tokens(text))), truth, sure, part, DEEP_PENALTY)
    say("the encoder's tier is fitted")
    kept = natural(rows) & ~np.isnan(deep.unseen).any(1)
    first = calibrate([light.unseen[kept]], truth[kept], sure[kept])
    both = calibrate([light.unseen[kept], deep.unseen[kept]], truth[kept], sure[kept])
    heads = Heads(rows, cues, light, deep, first, both)
    out.mkdir(parents=True, exist_ok=True)
    _save(out / "cues.npz", heads)
    known = common_words(row.text for row in rows if row.language != "und")
    (out / WORDS.name).write_text("\n".join(known) + "\n", "utf-8")
    card = {
        "version": 2,
        "sha256": sha256((out / "cues.npz").read_bytes()).hexdigest(),
        "rows": len(rows),
        "without_a_cue": sum(not row.cues for row in rows),
        "groups": len({row.group for row in rows}),
        "languages": sorted({row.language for row in rows if row.cues}),
        "cues": _figures(heads, truth, kept),
    }
    (out / "cues.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", "utf-8")
    return heads


def _save(path: Path, heads: Heads) -> None:
    """Calibration is folded into the weights, so that a logit is that of a probability."""
    light, deep, first, both = heads.light, heads.deep, heads.first, heads.both
    slope = np.maximum(first.slope[0], LEAST_SLOPE)
    weights = light.weights * slope
    hashes = weights[:BUCKETS]
    scale = np.maximum(np.abs(hashes).max(0) / 127, 1e-12).astype(np.float32)
    ratio = both.slope[0] / slope
    np.savez_compressed(
        path,
        names=np.array(heads.cues),
        hashed=np.rint(hashes / scale).astype(np.int8),
        hashed_scale=scale,
        static=weights[BUCKETS:].astype(np.float16),
        light_bias=light.bias * slope + first.shift,
        deep=(deep.weights * both.slope[1]).astype(np.float16),
        deep_bias=deep.bias * both.slope[1] + both.shift - ratio * first.shift,
        deep_light=ratio.astype(np.float32),
        encoder=np.array(sha256((MODELS / "minilm.onnx").read_bytes()).hexdigest()),
    )


def _figures(heads: Heads, truth: Floats, kept: Any) -> dict[str, Any]:
    """By cue, over messages of groups that the heads had not seen: recall by language, and precision, of each tier at even odds."""
    languages = np.array([row.language for row in heads.rows])
    out: dict[str, Any] = {}
    for k, cue in enumerate(heads.cues):
        out[cue] = {"texts": int(truth[:, k].sum())}
        for tier, logits in zip(("light", "deep"), heads.unseen(), strict=True):
            found = logits[:, k] >= 0.0
            shown = truth[:, k] > 0
            out[cue][f"{tier}_precision"] = _share(shown[kept & found])
            for language in sorted(set(languages[kept & shown])):
                out[cue][f"{tier}_recall_{language}"] = _share(found[kept & shown & (languages == language)])
    return out


def _share(which: Any) -> float | None:
    return round(float(which.mean()), 3) if len(which) else None
