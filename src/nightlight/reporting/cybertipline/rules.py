"""Rules that no shape can say: between elements, and about what a text says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from nightlight.core.document import Fault, Node
from nightlight.reporting.cybertipline.shape import paths
from nightlight.reporting.cybertipline.table import SUPPLEMENTAL

QUOTE = "> "
"""What a quoted line of a conversation begins with, in any free text that we write. People say "score" too."""
_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "pdq": 64}
_NUMBER = r"(0?\.\d+|[01]\.\d+|\d{1,3}(\.\d+)?\s?%)"
_WORD = r"\b(scores?|scored|probabilit(y|ies)|likelihood|confidence|risk level|puntuaci[oó]n|probabilidad|confianza)\b"
_MACHINE = r"\b(risk|model|classifier|detector|machine|algorithm|riesgo|modelo)\b[^.\n\d]{0,30}\b(score|puntuaci[oó]n)\b[^.\n\d]{0,30}\d"
_SCORE = re.compile(rf"{_WORD}[^.\n%\d]{{0,30}}{_NUMBER}|{_NUMBER}\s(risk|riesgo|{_WORD})|{_MACHINE}", re.IGNORECASE)
_DEEPEST = 16
_OUR_WORDS = {"additionalInfo", "escalateToHighPriority", "incidentDateTimeDescription", "nameValuePair"}
"""What whoever reports writes. Everything else holds what people called themselves, their files or each other."""


def rule_faults(root: Node) -> Iterator[Fault]:
    for rule in _RULES.get(root.name, ()):
        yield from rule(root)
    yield from _scores(root, f"/{root.name}")


def _supplemental(root: Node) -> Iterator[Fault]:
    if root.value("fileRelevance") != SUPPLEMENTAL:
        return
    for path in (("industryClassification",), ("potentialMeme",), ("fileAnnotations", "potentialMeme")):
        if root.first(*path) is not None:
            message = f"a file that is {SUPPLEMENTAL!r} may not carry this; delete it, or make the file 'Reported'"
            yield Fault(path="/".join((f"/{root.name}", *path)), code="supplemental", message=message)


def _hashes(root: Node) -> Iterator[Fault]:
    hashes = list(root.all("originalFileHash"))
    for node, path in zip(hashes, paths(f"/{root.name}", [h.name for h in hashes]), strict=True):
        digits = _HEX_DIGITS.get(re.sub(r"[^a-z0-9]", "", node.attributes.get("hashType", "")[:64].lower()))
        text = node.text.strip()
        if digits and text and not (len(text) == digits and re.fullmatch(r"[0-9A-Fa-f]+", text)):
            yield Fault(path=path, code="not_hash", message=f"must have the {digits} hexadecimal digits of its hashType")


def _victims(root: Node) -> Iterator[Fault]:
    """A victim of whom nothing is said helps nobody to find the child."""
    for node, path in _parties(root, "victim"):
        person = node.first("victimPerson")
        if person is not None and not person.children and len(node.children) == 1:
            yield Fault(
                path=path,
                code="says_nothing",
                message="says nothing about the child; give what is known, such as age or account, or delete it",
            )


def _suspects(root: Node) -> Iterator[Fault]:
    for node, path in _parties(root, "personOrUserReported"):
        person = node.first("personOrUserReportedPerson")
        if not node.children or (person is not None and not person.children and len(node.children) == 1):
            yield Fault(
                path=path,
                code="says_nothing",
                message="says nothing about the person; give what is known, such as the account, or delete it",
            )


def _parties(root: Node, name: str) -> Iterator[tuple[Node, str]]:
    found = list(root.all(name))
    return zip(found, paths(f"/{root.name}", [name] * len(found)), strict=True)


def _scores(node: Node, path: str) -> Iterator[Fault]:
    text = f"{node.value('name')}: {node.value('value')}" if node.name == "nameValuePair" else node.text
    if node.name in _OUR_WORDS and says_score(text):
        message = "gives a machine's score; say in words what happened, because an uncalibrated number reads like proof"
        yield Fault(path=path, code="machine_score", message=message)
    if path.count("/") <= _DEEPEST:
        for child, at in zip(node.children, paths(path, [c.name for c in node.children]), strict=True):
            yield from _scores(child, at)


def says_score(text: str) -> bool:
    """Whether a text gives a number of a machine as a measure of risk. What people wrote, quoted, is passed over."""
    own = "\n".join(line for line in text.split("\n") if not line.startswith(QUOTE))
    return _SCORE.search(own) is not None


_RULES: dict[str, tuple[Callable[[Node], Iterator[Fault]], ...]] = {
    "report": (_suspects, _victims),
    "fileDetails": (_supplemental, _hashes),
}
