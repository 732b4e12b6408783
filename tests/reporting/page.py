"""The parts of docs/reference/cybertipline.md that follow from the code. `python -m tests.reporting.page` writes them anew."""

from __future__ import annotations

from pathlib import Path

import nightlight
from nightlight.reporting.cybertipline.codes import CODES
from nightlight.reporting.cybertipline.schema import Choice, Element, Form, Group, Value
from nightlight.reporting.cybertipline.table import FILE_DETAILS, INCIDENT_TYPES, REPORT

PAGE = Path(nightlight.__file__).parents[2] / "docs/reference/cybertipline.md"
CODES_START, TABLE_START, END = "<!-- codes -->", "<!-- table -->", "<!-- end -->"


def codes() -> str:
    rows = [f"| `{code}` | {words['en']} |" for code, words in CODES.items()]
    return "\n".join(("| code | means |", "|---|---|", *rows))


def table() -> str:
    """Each group once, however many places it stands at."""
    seen: dict[str, str] = {}
    out: list[str] = []
    for root in (REPORT, FILE_DETAILS):
        _group(root, f"/{root.name}", seen, out)
    return "\n".join(out).rstrip()


def _group(element: Element, path: str, seen: dict[str, str], out: list[str]) -> None:
    assert isinstance(element.holds, Group)
    rows = "\n".join(_row(one, choice) for one, choice in _parts(element.holds))
    if rows in seen:
        return
    seen[rows] = path
    out.extend((f"`{path}`", "", "| element | how often | holds | attributes |", "|---|---|---|---|", rows, ""))
    for one, _ in _parts(element.holds):
        if one.is_group:
            _group(one, f"{path}/{one.name}", seen, out)


def _parts(group: Group) -> list[tuple[Element, Choice | None]]:
    out: list[tuple[Element, Choice | None]] = []
    for part in group.parts:
        out += [(one, part) for one in part.of] if isinstance(part, Choice) else [(part, None)]
    return out


def _row(element: Element, choice: Choice | None) -> str:
    often = {(True, True): "1 or more", (True, False): "1", (False, True): "any number", (False, False): "0 or 1"}[
        element.required, element.many
    ]
    if choice is not None:
        others = (
            "exactly one of these"
            if choice.required
            else f"0 or 1, not beside {' or '.join(o.name for o in choice.of if o is not element)}"
        )
        often = others
    holds = "elements" if isinstance(element.holds, Group) else _value(element.holds)
    attributes = "; ".join(f"`{a.name}`{' (required)' if a.required else ''}: {_value(a.value)}" for a in element.attributes)
    return f"| `{element.name}` | {often} | {holds} | {attributes} |"


def _value(value: Value) -> str:
    if value.choices == INCIDENT_TYPES:
        return "one of the authority's eight kinds of incident, `INCIDENT_TYPES` in the code"
    if value.form is Form.CHOICE:
        return value.choices_are or ", ".join(f"`{one}`" for one in value.choices)
    if value.form is Form.PATTERN:
        return value.like
    words = {
        Form.TEXT: "text",
        Form.EMPTY: "nothing",
        Form.BOOLEAN: "`true` or `false`",
        Form.WHOLE: "whole number",
        Form.DECIMAL: "number",
        Form.MOMENT: "date and time with zone",
        Form.DAY: "date",
        Form.IP: "IP address",
        Form.EMAIL: "e-mail address",
    }[value.form]
    if value.most is not None:
        words += f", {value.most:,} characters at most"
    if value.greatest is not None and value.greatest < 2**32:
        words += f", {value.least:g} to {value.greatest:g}"
    return f"{words}, in the past" if value.past else words


def filled(text: str) -> str:
    for start, made in ((CODES_START, codes()), (TABLE_START, table())):
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(END)
        text = f"{before}{start}\n\n{made}\n\n{END}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
