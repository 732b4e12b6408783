"""`nightlight train`: fit the learned cues on lines that an operator may use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    folder: Annotated[
        Path,
        typer.Argument(help="Holds lines/<language>/<cue>.jsonl, conversations/, utterances/ and apart/, as training/ of the source does."),
    ],
    out: Annotated[Path, typer.Option(help="Where cues.npz and its card cues.json are written.")],
    chat: Annotated[list[Path] | None, typer.Option(help="Harmless conversations in JSON lines; may be repeated.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Take one in so many of those, so that the others can be measured on.")] = 1,
) -> None:
    """Fit the heads of the learned cues and write them with their card. Needs SciPy: pip install nightlight[train]."""
    from nightlight.app.training import chat_rows
    from nightlight.app.training import train as fit
    from nightlight.core.errors import Invalid

    try:
        import scipy  # noqa: F401
    except ImportError:
        raise Invalid("training needs SciPy: pip install nightlight[train]") from None
    fit(folder, chat_rows(chat or [], (0, every)), out, say=typer.echo)
