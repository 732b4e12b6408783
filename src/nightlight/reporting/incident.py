"""What kind of incident a case is, when it was, and which annotations follow from it."""

from __future__ import annotations

from datetime import datetime

from nightlight.core.casefile import CaseFile, PartyFile, Role
from nightlight.core.harm import Harm, Stage
from nightlight.reporting.cybertipline.table import INCIDENT_TYPES, REPORT_ANNOTATIONS
from nightlight.reporting.narrative import counted

_MATERIAL, _ENTICEMENT = INCIDENT_TYPES[0], INCIDENT_TYPES[6]
INCIDENT_OF: dict[Harm, str] = {
    Harm.LIVESTREAMED_ABUSE: _MATERIAL,
    Harm.SEXTORTION: _ENTICEMENT,
    Harm.GROOMING: _ENTICEMENT,
    Harm.IMAGERY_SOLICITATION: _ENTICEMENT,
    Harm.KNOWN_MATERIAL: _MATERIAL,
    Harm.NEW_MATERIAL: _MATERIAL,
    Harm.GENERATED_MATERIAL: _MATERIAL,
    Harm.LINK_EXCHANGE: _MATERIAL,
    Harm.ABUSE_NETWORK: _MATERIAL,
    Harm.SHARED_ACCESS: _MATERIAL,
}
"""The authority's kind of incident. Of the other harms a person says which it is, if it is one at all."""


def happened_at(file: CaseFile, now: datetime) -> datetime:
    """When a person says it was, else the first line that counts, else the first file, else when the case was opened. Never after now."""
    lines = [line.at for line in file.lines if line.decisive]
    media = [one.at for one in file.media if one.reported]
    return min(file.happened_at or min(lines or media or [file.opened_at]), now)


def annotations_of(file: CaseFile) -> tuple[str, ...]:
    """Those that follow from the harms and from who is who, and those that a person added."""
    wanted = {name for name in file.annotations if name in REPORT_ANNOTATIONS}
    if Harm.SEXTORTION in file.harms:
        wanted.add("sextortion")
    if Harm.IMAGERY_SOLICITATION in file.harms or any(line.stage is Stage.SOLICITATION for line in counted(file)):
        wanted.add("csamSolicitation")
    if between_minors(file):
        wanted.add("minorToMinorInteraction")
    return tuple(name for name in REPORT_ANNOTATIONS if name in wanted)


def between_minors(file: CaseFile) -> bool:
    """Whether both sides are minors. Of the reported account somebody other than its holder must say so: an adult may claim to be a child,
    and the annotation would make light of it."""
    suspects = [party for party in file.parties if party.role is Role.SUSPECT]
    others = [party for party in file.parties if party.role in (Role.CHILD, Role.RECIPIENT)]
    return bool(suspects) and all(map(_surely_minor, suspects[:1])) and any(party.age_band.is_minor for party in others)


def _surely_minor(party: PartyFile) -> bool:
    return party.age_band.is_minor and party.assurance.is_assured


def incident_type(file: CaseFile) -> str:
    """In the authority's words: a person's choice, else by the gravest harm that has one; empty where neither says."""
    by_gravity = sorted(file.harms, key=lambda harm: harm.urgency)
    return file.incident_type or next((INCIDENT_OF[harm] for harm in by_gravity if harm in INCIDENT_OF), "")


def when_words(file: CaseFile, happened: datetime) -> str:
    moments = [line.at for line in file.lines if line.decisive] + [media.at for media in file.media if media.reported]
    if file.happened_at is not None:
        first = "As a person at the service found."
    elif moments:
        first = "The first message or file that counts."
    else:
        first = "When the case was opened; the service knows no better."
    last = max(moments, default=happened)
    more = f" The last is of {last.astimezone(happened.tzinfo).replace(microsecond=0).isoformat()}." if last > happened else ""
    return first + more
