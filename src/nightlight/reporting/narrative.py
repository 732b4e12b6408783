"""What happened, in words: the report's free text within its limit, and the whole conversation as an attached file.

Only the conduct of the reported account is described. What a child did or left undone is not, and nothing is said of anybody's guilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from nightlight.core.case import Finding, Verdict
from nightlight.core.casefile import CaseFile, LineFile, MediaFile, Role
from nightlight.core.explanation_words import WORDS
from nightlight.core.harm import Harm, Stage
from nightlight.reporting.building import quoted, shortened
from nightlight.reporting.cybertipline.rules import says_score
from nightlight.reporting.cybertipline.table import LONG
from nightlight.reporting.cybertipline.xmltext import cleaned

LINE_MOST = 400
"""Characters of one message in the report's own text; the attached transcript has all of it."""
TRANSCRIPT_MOST = 8_000_000
"""Characters of an attached transcript; the authority takes larger files, a reader hardly does."""

HARM_WORDS = {
    Harm.IMMEDIATE_DANGER: "a child who may be in immediate danger",
    Harm.LIVESTREAMED_ABUSE: "abuse of a child shown live",
    Harm.SEXTORTION: "sexual extortion of a child",
    Harm.GROOMING: "grooming of a child",
    Harm.IMAGERY_SOLICITATION: "soliciting images from a child",
    Harm.KNOWN_MATERIAL: "child sexual abuse material that is already listed",
    Harm.NEW_MATERIAL: "apparent child sexual abuse material that is on no list",
    Harm.GENERATED_MATERIAL: "apparent child sexual abuse material made by a generative model",
    Harm.LINK_EXCHANGE: "exchange or sale of links to child sexual abuse material",
    Harm.ABUSE_NETWORK: "a network of accounts that trades child sexual abuse material or contacts to children",
    Harm.SHARED_ACCESS: "accounts with shared access to child sexual abuse material",
    Harm.GENERATIVE_MISUSE: "misuse of a generative model against children",
    Harm.LAWFUL_IMAGE_MISUSE: "misuse of lawful images of children",
    Harm.SEARCH_INTENT: "searches for child sexual abuse material",
}
STAGE_WORDS = WORDS["en"].stages
_ROLE_LETTERS = {Role.SUSPECT: "A", Role.CHILD: "C", Role.RECIPIENT: "R", Role.WITNESS: "W"}
_ROLE_WORDS = {
    Role.SUSPECT: "the reported account",
    Role.CHILD: "a child",
    Role.RECIPIENT: "an intended recipient",
    Role.WITNESS: "another account",
}


def confirmed(file: CaseFile) -> Verdict | None:
    """The latest verdict, where it confirms: only a person's word makes a report."""
    last = max(file.verdicts, key=lambda one: one.at, default=None)
    return last if last is not None and last.finding is Finding.CONFIRMED else None


def counted(file: CaseFile) -> list[LineFile]:
    """The decisive lines that a person has read, in order of time."""
    return sorted((line for line in file.lines if line.decisive and not line.unread), key=lambda line: line.at)


def labels(file: CaseFile) -> dict[str, str]:
    """Account to the short name that the text uses: A1 for the reported account, C1 for the first child."""
    number: dict[str, int] = {}
    out: dict[str, str] = {}
    for party in file.parties:
        letter = _ROLE_LETTERS[party.role]
        number[letter] = number.get(letter, 0) + 1
        out.setdefault(party.account, f"{letter}{number[letter]}")
    return out


def narrative(file: CaseFile, media: Sequence[MediaFile], unheld: Sequence[MediaFile]) -> tuple[str, bool]:
    """The report's `additionalInfo`, 3000 characters at most, and whether nothing of it had to be cut."""
    said = [part for part in (_opening(file), _conduct(file), _files(file, media, unheld), cleaned(file.note).strip()) if part]
    everything = "\n\n".join(said)
    head = shortened(everything, LONG * 2 // 3)
    lines = counted(file)
    if not lines:
        return head, head == everything
    title = f"Lines that count (times in UTC; {_legend(file)}):"
    elsewhere = "The attached transcript has the whole conversation."
    room = LONG - len(head) - len(title) - len(elsewhere) - 6
    shown, whole = _chosen(file, lines, room)
    if not shown:
        return f"{head}\n\n{elsewhere}", False
    text = f"{head}\n\n{title}\n" + "\n".join(shown)
    return (text, True) if whole and head == everything else (f"{text}\n{elsewhere}", False)


def transcript(file: CaseFile) -> str:
    """Every stored line of the conversations, in order of time, marked where it counts and where nobody has read it."""
    names = labels(file)
    rooms = {channel.id: channel.name or channel.id for channel in file.channels}
    out = [
        f"Transcript of case {file.case}, from messages stored by {cleaned(file.service.name)}. Times are UTC.",
        "* marks a line that counts. [not read] marks a line that no person at the service has read.",
        "",
        *(
            f"{names[party.account]} = {_ROLE_WORDS[party.role]}: {cleaned(party.account)}"
            + (f", screen name {cleaned(party.screen_name)}" if party.screen_name else "")
            for party in file.parties
            if party.role is not Role.WITNESS
        ),
        "",
    ]
    if note := cleaned(file.note).strip():
        out += ["What the service says of the case:", note, ""]
    size = sum(len(line) + 1 for line in out)
    for line in sorted(file.lines, key=lambda one: one.at):
        marks = ("* " if line.decisive else "") + ("[not read] " if line.unread else "")
        reason = f" ({_reason(line)})" if line.decisive and _reason(line) else ""
        who = names.get(line.author, "W")
        entry = f"{_moment(line.at)} {marks}{who} in {cleaned(rooms.get(line.channel, line.channel))}{reason}\n{quoted(line.text)}"
        size += len(entry) + 1
        if size > TRANSCRIPT_MOST:
            out.append("The transcript is cut here; the service holds the rest and can supply it.")
            break
        out.append(entry)
    return "\n".join(out) + "\n"


def _opening(file: CaseFile) -> str:
    harms = ", ".join(HARM_WORDS[harm] for harm in sorted(set(file.harms), key=lambda harm: harm.urgency))
    what = f"{harms[:1].upper()}{harms[1:]}." if harms else ""
    verdict = confirmed(file)
    who = f"A trained reviewer confirmed this on {_moment(verdict.at)} UTC." if verdict is not None else "No person has confirmed this yet."
    where = sorted({channel.kind.value for channel in file.channels})
    place = f"Where: {', '.join(where)}; end-to-end encrypted: {_some(file)}." if where else ""
    money = "Money or something of value was demanded." if file.financial else ""
    return " ".join(part for part in (what, who, place, money) if part)


def _some(file: CaseFile) -> str:
    encrypted = {channel.encrypted for channel in file.channels}
    return "in part" if len(encrypted) == 2 else "yes" if encrypted == {True} else "no"


def _conduct(file: CaseFile) -> str:
    """By the first time that each theme showed."""
    stages = sorted(file.stages, key=lambda seen: seen.first)
    if not stages:
        return ""
    return "What the reported account did: " + "; ".join(f"{STAGE_WORDS[s.stage]} (first {_moment(s.first)})" for s in stages) + "."


def _files(file: CaseFile, media: Sequence[MediaFile], unheld: Sequence[MediaFile]) -> str:
    said = []
    if file.generated:
        said.append("A person at the service found that material was made by a generative model.")
    if file.livestreamed:
        said.append("A person at the service found that it was shown live.")
    if not media and not unheld:
        said.append("No picture or video is part of this report: the conduct is in what was written.")
    text = " ".join(said)
    if not unheld:
        return text
    # Whoever uploaded a file named it: its name is quoted like a message.
    known = "\n".join(quoted(f"{shortened(one.name or one.id, 80)}, SHA-256 {one.sha256 or 'not known'}") for one in unheld[:5])
    more = f"\nand {len(unheld) - 5} more" if len(unheld) > 5 else ""
    return f"{text} Files whose bytes the service does not hold:\n{known}{more}".strip()


def _legend(file: CaseFile) -> str:
    names = labels(file)
    return ", ".join(f"{names[p.account]} {_ROLE_WORDS[p.role]}" for p in file.parties[:8] if p.role is not Role.WITNESS)


def _chosen(file: CaseFile, lines: Sequence[LineFile], room: int) -> tuple[list[str], bool]:
    """As many as there is room for: the first line of each theme before the others, shown in order of time."""
    names = labels(file)
    firsts: dict[Stage | None, int] = {}
    for place, line in enumerate(lines):
        firsts.setdefault(line.stage, place)
    first = set(firsts.values())
    rank = [*firsts.values(), *(place for place in range(len(lines)) if place not in first)]
    taken: dict[int, str] = {}
    whole = True
    for place in rank:
        line = lines[place]
        text = shortened(cleaned(line.text), LINE_MOST)
        whole = whole and len(line.text) <= LINE_MOST
        reason = f" ({_reason(line)})" if _reason(line) else ""
        entry = f"{_moment(line.at)} {names.get(line.author, 'W')}{reason}\n{quoted(text)}"
        if len(entry) + 1 > room:
            whole = False
            continue
        room -= len(entry) + 1
        taken[place] = entry
    return [taken[place] for place in sorted(taken)], whole


def _reason(line: LineFile) -> str:
    """Why a line counts. A reason that carries a number of a machine is not passed on."""
    text = " ".join(cleaned(line.reason).split())
    return "" if says_score(text) else shortened(text, 160)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
