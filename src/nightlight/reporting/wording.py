"""Words that blame a child. A report describes what was done to a child, never what the child should have done."""

from __future__ import annotations

import re

_BLAMING = re.compile(
    r"\b(compl(y|ied|ies|ying)|willing(ly)?|consent(s|ed|ing)?|consensual(ly)?|relationship|"
    r"self[- ]?generated|seduc\w+|promiscuous|provocative|"
    r"accedió|accede|voluntari(o|a|amente)|consint(ió|iendo)|consiente|consentid[oa]|consensuad[oa]|"
    r"relación (amorosa|sentimental|sexual|de pareja)|"
    r"autogenerad[oa]s?|seduj[oe]\w*|provocativ[oa])\b",
    re.IGNORECASE,
)
"""The Terminology Guidelines' (2nd edition, 2025) words to avoid, as far as a report meets them."""


def blaming(text: str) -> str | None:
    """The first such word, or None. For words of ours; what people wrote to each other is quoted as it is."""
    found = _BLAMING.search(text)
    return found[0] if found else None
