"""Who may become trusted contacts."""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.event import Party, Relation
from nightlight.core.gates import ContactAsked, Known, Outcome, PairingOffer
from nightlight.protect.gates.decide import Gates
from nightlight.protect.gates.table import PairKind, kind_of


def may_pair(gates: Gates, a: PairingOffer, b: PairingOffer, known: Mapping[str, Known]) -> bool:
    """Whether these two may: by their ages and how these are known, what a guardian said, and what is known about either."""
    rule = next((rule for rule in gates.policy.pairing.rule if rule.pair is kind_of(a.party, b.party)), None)
    if rule is None or a.party.account == b.party.account:
        return False
    agreed = all(one.guardian_agreed or not one.party.may_be_minor or one.party.age_band not in rule.guardian_bands for one in (a, b))
    return agreed and _assured(rule.assurance, a.party, b.party) and _open(gates, a.party, b.party, known)


def _assured(needed: tuple[object, ...], a: Party, b: Party) -> bool:
    if not needed or kind_of(a, b) is PairKind.ADULTS:
        return True
    return all(one.may_be_minor or one.assurance in needed for one in (a, b))


def _open(gates: Gates, a: Party, b: Party, known: Mapping[str, Known]) -> bool:
    """A pairing that would open nothing is none."""
    return gates.decide(ContactAsked(actor=a, target=b, relation=Relation.TRUSTED), known).outcome is Outcome.ALLOW
