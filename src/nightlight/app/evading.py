"""`nightlight evaluate evasion`: the same conversations plain and changed, judged at one level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

from nightlight.app.scoring import Levels, Scoring
from nightlight.core.detect import Detector
from nightlight.kit import evasion
from nightlight.kit.corpus import Conversation
from nightlight.kit.evasion import Compared, compared
from nightlight.kit.train.lines import read_lines
from nightlight.senses.text import MeaningSensor, TextSensor

GOAL = 5.0
"""Points of recall that a change may take."""
SWITCHED = "language switched midway"
FROM, INTO = "en", "es"

Change = Callable[[Conversation], Conversation]


def changes(seed: int, lines: Path | None) -> dict[str, Change]:
    """By name. `lines`: a training folder with lines in both languages; without it the language cannot be switched."""
    from nightlight.kit.corpus import load

    with resources.as_file(resources.files("nightlight.app.demo") / "benign.jsonl") as path:
        chat = [line.text for talk in load(path).conversations for line in talk.messages]
    out: dict[str, Change] = {name: partial(evasion.rewritten, rewrite=one, seed=seed) for name, one in evasion.REWRITES.items()}
    out["words and lines split"] = partial(evasion.split, seed=seed)
    out[f"padded {evasion.PADDING}:1"] = partial(evasion.padded, seed=seed, chat=chat)
    out["every line repeated"] = partial(evasion.duplicated, seed=seed)
    if lines is not None:
        out[SWITCHED] = partial(evasion.switched, seed=seed, cues_of=_cues_of(), lines=_by_cue(lines))
    return out


class Suite:
    """Scores every conversation plain and under each change. `failures` counts parts that failed, by name."""

    def __init__(self, detectors: Mapping[str, Detector], levels: Levels, threshold: float, *, jobs: int = 1) -> None:
        self._detectors, self._levels, self._threshold, self._jobs = detectors, levels, threshold, jobs
        self.failures: Counter[str] = Counter()

    def over(
        self, talks: Sequence[Conversation], changed: Mapping[str, Change], progress: Callable[[str], None] = lambda _: None
    ) -> list[Compared]:
        """Conversations that a change leaves as they are do not count for it: there was nothing to change."""
        progress("plain")
        plain = self._alarms(talks)
        out = []
        for name, change in changed.items():
            progress(name)
            pairs = [(n, new) for n, talk in enumerate(talks) if (new := change(talk)).messages != talk.messages]
            alarms = self._alarms([new for _, new in pairs])
            positive = [talks[n].positive for n, _ in pairs]
            before = list(zip(positive, (plain[n] for n, _ in pairs), strict=True))
            out.append(compared(name, before, list(zip(positive, alarms, strict=True))))
        return out

    def _alarms(self, talks: Sequence[Conversation]) -> list[bool]:
        scoring = Scoring(self._detectors, self._levels, jobs=self._jobs)
        found = [max(scores, default=0.0) >= self._threshold for _, _, scores in scoring.over(talks)]
        self.failures.update(scoring.failures)
        return found


def _by_cue(folder: Path) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for row in read_lines(folder):
        for cue in row.cues if row.language == INTO else ():
            lines.setdefault(cue, []).append(row.text)
    return lines


def _cues_of() -> Callable[[str], list[str]]:
    """The cues of an English text, the plainest first; of any other text none, so that only English is switched."""
    light, deep = TextSensor(), MeaningSensor()

    def cues(text: str) -> list[str]:
        read = light.read(text)
        if read.language not in (FROM, "und"):
            return []
        return [cue.name for cue in sorted(deep.read(text, read).cues, key=lambda cue: -cue.strength)]

    return cues
