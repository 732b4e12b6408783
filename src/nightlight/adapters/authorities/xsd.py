"""A document against an authority's own schema (XSD). `xmlschema` is not among our dependencies: the extra `xsd` brings it.

The authority gives its schema to those who have an account and does not publish it; our own tables (`reporting/cybertipline`) are what
every report is held against. This is a second opinion for an operator who has the file, and nothing is sent or refused by it.
"""

from __future__ import annotations

import importlib
from typing import Any

from nightlight.core.document import Fault
from nightlight.core.errors import Invalid, Unavailable

CODE = "xsd"
MOST_FAULTS = 200


def faults_of(document: bytes, schema: bytes) -> list[Fault]:
    """At most 200. Raises Unavailable where `xmlschema` is not installed, Invalid where one of the two cannot be read.

    Neither may name anything outside itself: nothing is fetched, and no entity is expanded."""
    xmlschema = _library()
    try:
        compiled = xmlschema.XMLSchema(_text(schema, "xsd"), defuse="always", allow="none")
    except Exception as error:  # whatever a stranger's file brings about, it is the file that is wrong
        raise Invalid(f"is no schema that can be used ({type(error).__name__})", field="xsd") from None
    found: list[Fault] = []
    try:
        for flaw in compiled.iter_errors(xmlschema.XMLResource(_text(document, "file"), defuse="always", allow="none")):
            found.append(Fault(path=flaw.path or "/", code=CODE, message=_words(flaw)))
            if len(found) == MOST_FAULTS:
                break
    except Exception as error:
        raise Invalid(f"is no XML that can be read ({type(error).__name__})", field="file") from None
    return found


def _library() -> Any:
    try:
        return importlib.import_module("xmlschema")
    except ImportError:
        raise Unavailable("comparing with a schema needs the extra: pip install 'nightlight[xsd]'") from None


def _text(raw: bytes, field: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("is not UTF-8", field=field) from None
    if not text.lstrip().startswith("<"):  # the library would take it for a path or an address
        raise Invalid("is no XML", field=field)
    # It refuses a text that declares its encoding.
    return text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text


def _words(error: Any) -> str:
    """By what the schema says alone: the library's own words quote the document."""
    expected = [name for one in getattr(error, "expected", None) or () if isinstance(name := getattr(one, "name", one), str)]
    hint = f"; expected here: {', '.join(expected[:10])}" if expected else ""
    return f"the authority's schema does not allow this ({type(error.validator).__name__}){hint}"
