"""Cues that were learned from authored lines: what each is called, why it matters, and what softens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

from nightlight.core.errors import Invalid
from nightlight.core.features import Cue
from nightlight.senses.text.fold import Token
from nightlight.senses.text.heads import Heads, Strengths, shipped_encoder

REASONS: Mapping[str, str] = {
    "age_probe": "seems to ask how old the other person is",
    "app_migration": "seems to want to continue on another app",
    "asks_for_help": "seems to ask for help because of what somebody does to them",
    "bait_picture": "says to have sent a picture, and expects one back",
    "boundary_testing": "tests how far the other person lets them go",
    "compliance_test": "seems to test whether the other person does as told",
    "contact_exchange": "asks for a number or an address to reach the other person elsewhere",
    "countdown": "seems to set a deadline with a threat",
    "discloses": "tells of what somebody has done or asked of them",
    "exclusivity": "makes the two of them special to each other",
    "false_trust": "seems to insist on being trusted",
    "fast_intimacy": "speaks of deep feelings very early",
    "flattery": "praises the other person, or how mature they are",
    "game_currency": "offers things of a game for something in return",
    "gift_offer": "seems to offer gifts or money",
    "isolation": "seems to set the other person against family and friends",
    "location_probe": "seems to ask where the other person lives, goes to school or is",
    "meeting_plan": "seems to plan to meet in person",
    "payment_demand": "seems to demand money",
    "picture_ask": "seems to ask to see the other person in a picture",
    "refusal": "seems to say no, or to want to be left alone",
    "refusal_blocking": "tells the other person not to block, leave or say no",
    "relationship_probe": "seems to ask about boyfriends, girlfriends or crushes",
    "repeat_demand": "demands again after having been paid or obeyed",
    "ruin_framing": "seems to say that the other person's life will be ruined",
    "scared": "seems to be afraid",
    "secrecy": "seems to ask for something to be kept from others",
    "self_harm": "seems to speak of hurting themselves",
    "self_protection": "is afraid of being found out, or asks for traces to be deleted",
    "supervision_probe": "seems to ask whether an adult is near or reads along",
    "threat_to_expose": "seems to threaten to show something to the other person's family or friends",
    "video_call_ask": "seems to ask for a video call",
}
"""By cue, in plain words about what the writer does. "Seems": a learned cue is a likeness to lines we know, no phrase that was found."""

ABOUT_AUTHOR = frozenset({"refusal", "asks_for_help", "scared", "self_harm", "discloses"})
"""Cues about who writes, not about what they do to another."""

SEGMENT = 30
"""Words after which a long message is read in pieces: one line of risk in a long text is not averaged away."""
MOST_CUES = 4
BESIDE = 0.3
LEAST = 0.05
"""Learned cues of one segment, and how strong the others must be beside the first: one line is not five findings. `LEAST`: none
is said that is weaker."""
_ENDS = frozenset(".!?\n;\u3002")


def softeners(name: str) -> Sequence[str]:
    """The modifiers of `cues.toml` that weaken it: words told of to somebody, a story, a surprise."""
    if name in ABOUT_AUTHOR:
        return ("joking", "hyperbole") if name == "self_harm" else ()
    if name == "secrecy":
        return ("quoting", "fiction", "celebration")
    if name in ("picture_ask", "bait_picture"):
        return ("quoting", "fiction", "of_a_thing")
    return ("quoting", "fiction")


def segments(found: Sequence[Token], folded: str) -> list[tuple[int, int]]:
    """Words `start` to `end` of each piece: the whole of a short message, sentences and at most `SEGMENT` words of a long one."""
    if len(found) <= SEGMENT:
        return [(0, len(found))] if found else []
    out, start = [], 0
    for i, token in enumerate(found):
        after = folded[token.end : found[i + 1].start] if i + 1 < len(found) else "."
        size = i + 1 - start
        if size >= SEGMENT or (size >= 4 and not _ENDS.isdisjoint(after)) or i + 1 == len(found):
            out.append((start, i + 1))
            start = i + 1
    return out


def cues_of(names: Sequence[str], strengths: Strengths, span: tuple[int, int], factors: Mapping[str, float]) -> list[Cue]:
    """The cues of one segment. `factors`: by modifier that the message holds, what it leaves of a cue."""
    out = []
    likeliest = sorted(strengths.nonzero()[0].tolist(), key=lambda k: (-strengths[k], k))[:MOST_CUES]
    for k in likeliest:
        if strengths[k] < max(LEAST, BESIDE * strengths[likeliest[0]]):
            break
        name, strength = names[k], float(strengths[k])
        for modifier in softeners(name):
            strength *= factors.get(modifier, 1.0)
        out.append(Cue(name, strength, span, REASONS[name], likeness=True))
    return out


def strongest(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """One cue a name, by place: the strongest, and of two equal ones the first given."""
    best: dict[str, Cue] = {}
    for cue in cues:
        if cue.name not in best or cue.strength > best[cue.name].strength:
            best[cue.name] = cue
    return tuple(sorted(best.values(), key=lambda cue: (cue.span, cue.name)))


def own_heads(path: Path) -> Heads:
    """Those that an operator trained. Raises Invalid where they cannot be read, or were made for another encoder than the one here."""
    try:
        heads = Heads(path)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise Invalid(f"{path.name}: no learned cues ({type(error).__name__})", field="text.cues") from None
    if heads.encoder != shipped_encoder():
        raise Invalid(f"{path.name}: made for another encoder; run nightlight train again", field="text.cues")
    if unknown := sorted(set(heads.names) - set(REASONS)):
        raise Invalid(f"{path.name}: cues that nothing is known of: {', '.join(unknown)}", field="text.cues")
    return heads
