"""How complete a report is, what it lacks, and how to get it, in words for the reviewer.

The score counts what would help whoever receives the report to find the child and the reported person. The weights were chosen, not
measured. It says nothing about guilt or risk.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from nightlight.core.casefile import CaseFile, PartyFile, Role
from nightlight.core.draft import Completeness, Missing
from nightlight.core.harm import Harm
from nightlight.reporting.completeness_words import WORDS
from nightlight.reporting.cybertipline.table import INCIDENT_TYPES
from nightlight.reporting.cybertipline.values import is_email, is_ip
from nightlight.reporting.files import included, listed, viewed
from nightlight.reporting.incident import incident_type
from nightlight.reporting.narrative import confirmed, counted
from nightlight.reporting.wording import blaming

_OF_A_CHILD = frozenset((Harm.IMMEDIATE_DANGER, Harm.LIVESTREAMED_ABUSE, Harm.SEXTORTION, Harm.GROOMING, Harm.IMAGERY_SOLICITATION))
_OF_WORDS = frozenset((Harm.SEXTORTION, Harm.GROOMING, Harm.IMAGERY_SOLICITATION))


class _Item(Struct, frozen=True, kw_only=True):
    field: str
    weight: int
    there: Callable[[CaseFile, datetime], bool]
    applies: Callable[[CaseFile, datetime], bool] = lambda file, now: True
    required: bool = False


def _parties(file: CaseFile, role: Role) -> list[PartyFile]:
    return [party for party in file.parties if party.role is role]


def _any(role: Role, has: Callable[[PartyFile], bool]) -> Callable[[CaseFile, datetime], bool]:
    return lambda file, now: any(has(party) for party in _parties(file, role))


def _every(role: Role, has: Callable[[PartyFile], bool]) -> Callable[[CaseFile, datetime], bool]:
    return lambda file, now: all(has(party) for party in _parties(file, role))


def _has(role: Role) -> Callable[[CaseFile, datetime], bool]:
    return lambda file, now: bool(_parties(file, role))


def _harms(harms: frozenset[Harm]) -> Callable[[CaseFile, datetime], bool]:
    return lambda file, now: bool(harms & set(file.harms))


def _dated_ip(party: PartyFile) -> bool:
    return any(is_ip(event.address) and event.at is not None for event in party.ip_events)


def _contact(party: PartyFile) -> bool:
    return party.identity is not None and bool(party.identity.emails or party.identity.phones)


def _named(party: PartyFile) -> bool:
    return party.identity is not None and bool(party.identity.first_name or party.identity.last_name)


def _aged(party: PartyFile) -> bool:
    return party.age is not None or (party.identity is not None and party.identity.born is not None)


def _reachable(party: PartyFile) -> bool:
    return _dated_ip(party) or _contact(party) or party.place is not None or bool(party.school)


def _type_known(file: CaseFile, now: datetime) -> bool:
    return incident_type(file) in INCIDENT_TYPES


_ITEMS: tuple[_Item, ...] = (
    _Item(field="verdict", weight=15, required=True, there=lambda file, now: confirmed(file) is not None),
    _Item(field="incident.type", weight=10, required=True, there=_type_known),
    _Item(
        field="reporter.email",
        weight=10,
        required=True,
        there=lambda file, now: any(is_email(email.address) for email in file.service.reporter.emails),
    ),
    _Item(field="suspect.account", weight=10, required=True, there=_any(Role.SUSPECT, lambda party: bool(party.account.strip()))),
    _Item(
        field="danger.reason",
        weight=10,
        required=True,
        applies=_harms(frozenset((Harm.IMMEDIATE_DANGER,))),
        there=lambda file, now: file.escalation is not None and bool(file.escalation.reason.strip()),
    ),
    _Item(
        field="lines.read",
        weight=10,
        required=True,
        applies=lambda file, now: _harms(_OF_WORDS)(file, now) and not included(file)[0],
        there=lambda file, now: bool(counted(file)),
    ),
    _Item(field="suspect.ip", weight=8, applies=_has(Role.SUSPECT), there=_any(Role.SUSPECT, _dated_ip)),
    _Item(field="child.account", weight=8, applies=_harms(_OF_A_CHILD), there=_has(Role.CHILD)),
    _Item(field="suspect.contact", weight=6, applies=_has(Role.SUSPECT), there=_any(Role.SUSPECT, _contact)),
    _Item(field="child.age", weight=6, applies=_has(Role.CHILD), there=_every(Role.CHILD, _aged)),
    _Item(field="child.reach", weight=6, applies=_has(Role.CHILD), there=_every(Role.CHILD, _reachable)),
    _Item(
        field="media.decided",
        weight=6,
        applies=lambda file, now: bool(file.media),
        there=lambda file, now: not included(file)[2],
    ),
    _Item(
        field="media.viewed",
        weight=5,
        applies=lambda file, now: any(one.reported for one in included(file)[0]),
        there=lambda file, now: all(viewed(one, now) or listed(one) for one in included(file)[0] if one.reported),
    ),
    _Item(field="media.held", weight=5, applies=lambda file, now: bool(file.media), there=lambda file, now: not included(file)[1]),
    _Item(
        field="words",
        weight=4,
        there=lambda file, now: (
            not any(
                blaming(text)
                for text in (
                    file.note,
                    file.escalation.reason if file.escalation is not None else "",
                    *(party.note for party in file.parties),
                    *(media.note for media in file.media),
                )
            )
        ),
    ),
    _Item(field="suspect.name", weight=3, applies=_has(Role.SUSPECT), there=_any(Role.SUSPECT, _named)),
    _Item(field="suspect.place", weight=3, applies=_has(Role.SUSPECT), there=_any(Role.SUSPECT, lambda party: party.place is not None)),
    _Item(field="suspect.device", weight=2, applies=_has(Role.SUSPECT), there=_any(Role.SUSPECT, lambda party: bool(party.devices))),
    _Item(field="suspect.one", weight=3, applies=_has(Role.SUSPECT), there=lambda file, now: len(_parties(file, Role.SUSPECT)) == 1),
    _Item(
        field="suspect.minor",
        weight=3,
        applies=_any(Role.SUSPECT, lambda party: party.age_band.is_minor),
        there=_every(Role.SUSPECT, lambda party: not party.age_band.is_minor or party.assurance.is_assured),
    ),
    _Item(field="channel", weight=3, there=lambda file, now: bool(file.channels) or any(one.url for one in file.media)),
    _Item(
        field="company",
        weight=2,
        there=lambda file, now: bool(file.service.template.strip()) and bool(file.service.legal_url.strip() or file.service.contact),
    ),
)
FIELDS = tuple(item.field for item in _ITEMS)


def completeness(file: CaseFile, now: datetime) -> Completeness:
    """0 to 100, and what is missing: what is required first, then what adds most."""
    asked = [item for item in _ITEMS if item.applies(file, now)]
    lacking = [item for item in asked if not item.there(file, now)]
    total = sum(item.weight for item in asked)
    missing = [
        Missing(
            field=item.field,
            required=item.required,
            weight=item.weight,
            what={language: WORDS[language][item.field][0] for language in WORDS},
            how={language: WORDS[language][item.field][1] for language in WORDS},
        )
        for item in sorted(lacking, key=lambda item: (not item.required, -item.weight))
    ]
    return Completeness(score=100 * (total - sum(item.weight for item in lacking)) // total, missing=tuple(missing))
