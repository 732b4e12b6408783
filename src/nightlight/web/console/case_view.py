"""What the case page shows of what the desk told: pure, so that a test needs no page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from urllib.parse import quote

from markupsafe import Markup, escape
from msgspec import Struct

from nightlight.core.assessment import Assessment
from nightlight.core.desk import CasePage, Line, Mark, Who
from nightlight.core.explanation import Explanation, explain_assessment
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import ContactLimit, LimitKind

MOST_DECISIVE = 12


class Segment(Struct, frozen=True):
    """A stretch of a line's text, and the numbers of the marks that lie on it."""

    text: str
    marks: tuple[int, ...] = ()


class Reason(Struct, frozen=True, kw_only=True):
    """One reason why a line counts, whichever detectors said so."""

    words: str
    harms: tuple[Harm, ...]
    detectors: tuple[str, ...]
    score: float
    """The highest of them."""


class Decisive(Struct, frozen=True, kw_only=True):
    number: int
    line: Line
    conversation: str


def segments(text: str, marks: Sequence[Mark]) -> tuple[Segment, ...]:
    """The text cut where a mark begins or ends. Spans that lie outside it are held to it; a mark without a span lies on all of it."""
    spans = []
    for n, mark in enumerate(marks, start=1):
        start, end = mark.span if mark.span is not None else (0, len(text))
        start, end = max(0, min(start, len(text))), max(0, min(end, len(text)))
        if start < end:
            spans.append((start, end, n))
    cuts = sorted({0, len(text), *(at for start, end, _ in spans for at in (start, end))})
    return tuple(
        Segment(text[a:b], tuple(dict.fromkeys(n for start, end, n in spans if start <= a and b <= end))) for a, b in pairwise(cuts)
    )


def is_plain(line: Line) -> bool:
    """Whether it is words alone, of which nothing was found and with which nothing was done."""
    return bool(line.text) and line.level is Level.NONE and not (line.marks or line.media or line.decision)


def plain_line(line: Line, part: str, called: str) -> Markup:
    """What the macro `line` makes of such a one. Most of a long conversation is these: two thousand of them by macro took most of the
    time that their page takes. A test holds both equal."""
    stamp = line.at.isoformat()
    return Markup(  # noqa: S704 - everything that comes from outside is escaped
        f'<li class="line" id="line-{escape(quote(line.event))}" data-part="{escape(part)}">\n'
        f'  <p class="by"><span class="name">{escape(called)}</span> <time datetime="{stamp}">{stamp[:10]} {stamp[11:19]}</time></p>\n'
        f'  <p class="said" dir="auto">{escape(line.text)}</p>\n</li>\n'
    )


def reasons(marks: Sequence[Mark]) -> tuple[Reason, ...]:
    """Each reason once: two detectors that saw the same thing are one line to read."""
    found: dict[str, list[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.reason, []).append(mark)
    return tuple(
        Reason(
            words=words,
            harms=tuple(dict.fromkeys(m.harm for m in same)),
            detectors=tuple(dict.fromkeys(m.detector for m in same)),
            score=max(m.score for m in same),
        )
        for words, same in found.items()
    )


def standing_limits(limits: Sequence[ContactLimit]) -> tuple[ContactLimit, ...]:
    """Of each kind the one that lasts longest."""
    longest: dict[LimitKind, ContactLimit] = {}
    for limit in sorted(limits, key=lambda one: one.until):
        longest[limit.kind] = limit
    return tuple(longest.values())


def decisive_lines(page: CasePage) -> tuple[Decisive, ...]:
    """The lines at which the risk rose by a level, the latest twelve in order; where the desk named none, the highest marked ones."""
    found = [(line, talk.id) for talk in page.conversations for line in talk.lines if line.decisive]
    if not found:
        marked = [(line, talk.id) for talk in page.conversations for line in talk.lines if line.marks]
        top = sorted(marked, key=lambda pair: -max(m.score for m in pair[0].marks))[:3]
        found = [pair for pair in marked if pair in top]
    found.sort(key=lambda pair: pair[0].at)
    return tuple(Decisive(number=n, line=line, conversation=talk) for n, (line, talk) in enumerate(found[-MOST_DECISIVE:], start=1))


def explanations(page: CasePage) -> tuple[Explanation, ...]:
    """One paragraph an assessment that reached anything, the gravest first."""
    told = [a for a in page.assessments if a.level is not Level.NONE or a.abstained]
    return tuple(explain_assessment(a) for a in sorted(told, key=_gravest))


def _gravest(assessment: Assessment) -> tuple[int, int, float]:
    return -assessment.level.rank, assessment.harm.urgency, -assessment.score


def names(people: Sequence[Who]) -> Mapping[str, str]:
    """What an account is called on the page: by its part first, so that who reads never has to remember pseudonyms."""
    counts: dict[str, int] = {}
    out = {}
    for who in people:
        counts[who.part] = counts.get(who.part, 0) + 1
        out[who.account] = f"{who.part}:{counts[who.part]}"
    return out


def short(id: str) -> str:
    """The end of an id, which tells cases apart at a glance."""
    return id.rpartition("_")[2][-6:].upper()
