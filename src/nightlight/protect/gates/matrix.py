"""The gates written out: every gate over every pair of ages, by how they are known, and relation. docs/reference/gates.md holds it."""

from __future__ import annotations

from collections.abc import Iterator

from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import Gate, Outcome, Shown
from nightlight.protect.gates.decide import Gates

LETTERS = {Outcome.ALLOW: "✓", Outcome.LIMIT: "?", Outcome.REFUSE: "·"}
RELATIONS = (Relation.STRANGER, Relation.CONTACT, Relation.TRUSTED, Relation.FAMILY)
SIDES: tuple[tuple[str, AgeBand, Assurance], ...] = (
    *(
        (f"{band.value}{mark}", band, assurance)
        for band in AgeBand
        if band is not AgeBand.UNKNOWN
        for mark, assurance in (("", Assurance.VERIFIED), (" (own word)", Assurance.SELF_DECLARED))
    ),
    ("unknown", AgeBand.UNKNOWN, Assurance.NONE),
)
"""Those whom the table tells apart: by age, and by whether somebody other than the person vouches for it."""

BEGIN, END = "<!-- the matrix: written by tests/protect/test_gates_matrix.py -->", "<!-- end of the matrix -->"


def markdown(gates: Gates, place: str | None = None) -> str:
    """Every table. Rows ask, columns are asked about; a cell has one sign for each relation, in the order of `RELATIONS`."""
    return "\n".join(_lines(gates, place))


def _lines(gates: Gates, place: str | None) -> Iterator[str]:
    for gate, shown in gates.policy.tables():
        yield f"### `{gate.value}:screen`" + (f", {shown.value.replace('_', ' ')}" if shown is not None else "")
        yield ""
        yield "| asks ↓, about → | " + " | ".join(name for name, _, _ in SIDES) + " |"
        yield "|---" * (len(SIDES) + 1) + "|"
        for name, band, assurance in SIDES:
            actor = Party(account="a", age_band=band, assurance=assurance, place=place)
            cells = (_cell(gates, gate, shown, actor, Party(account="b", age_band=b, assurance=a, place=place)) for _, b, a in SIDES)
            yield f"| **{name}** | " + " | ".join(cells) + " |"
        yield ""


def _cell(gates: Gates, gate: Gate, shown: Shown | None, actor: Party, target: Party) -> str:
    return "`" + "".join(LETTERS[gates.outcome(gate, shown, actor, target, relation)] for relation in RELATIONS) + "`"
