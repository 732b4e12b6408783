"""Tunes the lower layers of all-MiniLM-L6-v2 to the learned cues, with one linear head a cue, on the rows of a training folder.

Used by `build_text_models.py`; needs torch and transformers. The lowest stay as published, so their output is computed once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from nightlight.kit.train.heads import POSITIVE, Fitted, truths
from nightlight.kit.train.lines import Row, folds
from nightlight.senses.text.meaning import MOST_TOKENS

LAYERS = 4
"""Of six that are kept. On an author it had not seen it found 57% of the acts at 1% false ones; all six 59%, at half the cost again."""
FROZEN = 1
"""Of those that are left as published, as are the embeddings. With three left of six it found 55%."""
PARTS = 3
EPOCHS, BATCH, RATE, HEAD_RATE = 3, 32, 1e-4, 4e-3
HEAD_SCALE = 8.0


def tuned(model: Path, rows: Sequence[Row], cues: Sequence[str], say: Any = print) -> tuple[Any, Fitted]:
    """The network tuned on all rows, and its heads over its vectors; `unseen` by networks that had not seen the row's author.

    Only authors of whole conversations are held out (groups without a family): other rows are NaN there.
    """
    truth, sure = truths(rows, cues)
    part = np.array(folds(rows, PARTS))
    whole = np.array(["/" not in row.group for row in rows])
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens = [tokenizer(row.text, truncation=True, max_length=MOST_TOKENS)["input_ids"] for row in rows]
    below = _lower(_network(model), tokens)
    unseen = np.full(truth.shape, np.nan, np.float32)
    for one in range(PARTS):
        held = (part == one) & whole
        network, head = _fit(model, below, truth, sure, np.flatnonzero(~held), say)
        unseen[held] = _logits(network, head, [below[i] for i in np.flatnonzero(held)])
    network, head = _fit(model, below, truth, sure, np.arange(len(rows)), say)
    from nightlight.senses.text.heads import DEEP_SCALE

    weights = head.weight.detach().numpy().T * HEAD_SCALE / DEEP_SCALE
    return network, Fitted(weights, head.bias.detach().numpy(), unseen)


def _network(model: Path) -> Any:
    network = AutoModel.from_pretrained(model, attn_implementation="sdpa").eval()
    network.encoder.layer = network.encoder.layer[:LAYERS]
    return network


def _fit(model: Path, below: Sequence[Any], truth: Any, sure: Any, chosen: Any, say: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    network = _network(model)
    head = torch.nn.Linear(384, truth.shape[1])
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.constant_(head.bias, -3.0)
    upper = network.encoder.layer[FROZEN:]
    own = [p for layer in upper for p in layer.parameters()]
    lengths = np.array([len(hidden) for hidden in below])
    y, w = torch.tensor(truth), torch.tensor(np.where(truth > 0, POSITIVE, 1.0) * sure, dtype=torch.float32)
    steps = EPOCHS * (len(chosen) // BATCH + 1)
    optimizer = torch.optim.AdamW([{"params": own, "lr": RATE, "weight_decay": 0.01}, {"params": head.parameters(), "lr": HEAD_RATE}])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 100) * max(0.02, 1 - step / steps))
    begun = time.monotonic()
    for epoch in range(EPOCHS):
        for layer in upper:
            layer.train()
        total = 0.0
        batches = _batches(random.permutation(chosen), lengths)
        for place in random.permutation(len(batches)):
            batch = batches[place]
            hidden, mask = _padded([below[i] for i in batch])
            with torch.autocast("cpu", torch.bfloat16):
                vector = _upper(network, hidden, mask)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(head(vector * HEAD_SCALE), y[batch], reduction="none")
            loss = (w[batch] * loss).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        say(f"  epoch {epoch + 1}: loss {total / len(batches):.3f}, {time.monotonic() - begun:.0f} s", flush=True)
    return network.eval(), head


def _batches(order: Any, lengths: Any) -> list[Any]:
    """Batches of texts of like length, out of pools drawn at random."""
    out = []
    for pool in np.array_split(order, max(1, len(order) // (20 * BATCH))):
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        out += [pool[k : k + BATCH] for k in range(0, len(pool), BATCH)]
    return out


def _mask(mask: Any) -> Any:
    return (1.0 - mask[:, None, None, :].float()) * -1e4


def _through(layers: Any, hidden: Any, mask: Any) -> Any:
    for layer in layers:
        hidden = layer(hidden, _mask(mask))
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


def _lower(network: Any, tokens: Sequence[list[int]]) -> list[Any]:
    """What the frozen layers make of each text: (tokens, 384), half precision."""
    out: list[Any] = [None] * len(tokens)
    order = np.argsort([len(text) for text in tokens], kind="stable")
    with torch.no_grad():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            ids, mask = _ids([tokens[i] for i in batch])
            hidden = _through(network.encoder.layer[:FROZEN], network.embeddings(input_ids=ids), mask).half()
            for row, i in enumerate(batch):
                out[i] = hidden[row, : len(tokens[i])].clone()
    return out


def _upper(network: Any, hidden: Any, mask: Any) -> Any:
    """Mean over the text's tokens, norm 1."""
    hidden = _through(network.encoder.layer[FROZEN:], hidden, mask).float()
    weight = mask.unsqueeze(-1).float()
    return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=1)


def _ids(texts: list[list[int]]) -> tuple[Any, Any]:
    ids = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
    return ids, mask


def _padded(hidden: list[Any]) -> tuple[Any, Any]:
    out = torch.zeros(len(hidden), max(len(h) for h in hidden), 384)
    mask = torch.zeros(out.shape[:2], dtype=torch.long)
    for row, h in enumerate(hidden):
        out[row, : len(h)] = h.float()
        mask[row, : len(h)] = 1
    return out, mask


def _logits(network: Any, head: Any, below: Sequence[Any]) -> Any:
    out = np.zeros((len(below), head.out_features), np.float32)
    order = np.argsort([len(hidden) for hidden in below], kind="stable")
    with torch.no_grad():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            out[batch] = head(_upper(network, *_padded([below[i] for i in batch])) * HEAD_SCALE).numpy()
    return out
