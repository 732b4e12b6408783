"""The laws of a detector, written once and run on every one. `docs/reference/detector-laws.md` explains each.

A law is a function of a `Workbench` that raises AssertionError where it does not hold. Random ones are seeded: the same detector gets
the same answer every time.
"""

from __future__ import annotations

from pathlib import Path

from nightlight.core.detect import Detector
from nightlight.core.errors import Invalid
from nightlight.core.services import SenseEngine
from nightlight.kit.laws import evidence, fold, folder, risk
from nightlight.kit.laws.shared import Law
from nightlight.kit.workbench import Workbench

LAWS: dict[str, Law] = {
    rule.__name__: rule
    for rule in (
        folder.card_is_complete,
        folder.folder_is_complete,
        folder.examples_get_what_they_say,
        fold.input_is_never_mutated,
        fold.state_round_trips,
        fold.state_is_bounded,
        fold.state_keeps_no_content,
        fold.same_input_same_answer,
        fold.keys_are_first_hop_and_pure,
        fold.observe_writes_only_its_keys,
        fold.facts_name_second_hop_keys,
        fold.no_event_makes_it_raise,
        risk.more_risk_never_lowers,
        risk.costly_senses_only_raise,
        risk.refusals_never_lower_the_other_side,
        risk.self_declared_minority_never_lowers,
        risk.duplicates_never_hide,
        risk.benign_padding_never_hides,
        risk.interleaving_changes_neither,
        evidence.signals_carry_evidence,
        evidence.senses_are_declared,
        folder.old_states_are_read,
    )
}
"""Every law by its name, in the order in which they are run and explained."""


def check(detector: Detector, senses: SenseEngine, *, examples: Path | None = None) -> None:
    """Run every law. Raises AssertionError naming all that failed."""
    try:
        bench = Workbench(detector, senses, examples)
    except Invalid as error:
        raise AssertionError(f"law `folder_is_complete`: {error}") from None
    failures = []
    for law in LAWS.values():
        try:
            law(bench)
        except AssertionError as error:
            failures.append(error)
    if failures:
        raise AssertionError(f"{detector.card.name} breaks {len(failures)} of {len(LAWS)} laws:\n" + "\n".join(map(str, failures)))
