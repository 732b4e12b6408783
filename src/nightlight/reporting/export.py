"""A case as one signed JSON document: for a regulator, a court, or another system of the operator's.

    {"format": "nightlight-case", "version": 1, "case": {...}, "signature": {"algorithm": "Ed25519", "public_key": ..., "value": ...}}

What is signed is the line `nightlight-case/1`, a line feed, and the value of `case` as JSON in UTF-8 with keys sorted and nothing between
the signs. Whoever has the public key from elsewhere can check it with any Ed25519 library; a key that stands in the document itself
proves nothing but that nothing changed since.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.casefile import CaseFile, LineFile, PartyFile
from nightlight.core.document import Node
from nightlight.core.draft import Draft
from nightlight.core.errors import Invalid, Tampered, TooLarge
from nightlight.core.signing import Signer, Verifier

FORMAT = "nightlight-case"
VERSION = 1
MAX_BYTES = 64 * 1024 * 1024


class FileSummary(Struct, frozen=True, kw_only=True):
    """A file of the report, by what it is; its bytes are not in the export."""

    name: str
    sha256: str
    media_type: str
    details: Node


class CaseExport(Struct, frozen=True, kw_only=True):
    exported_at: datetime
    by: str
    """Who exported it, as the audit names them."""
    purpose: str
    """Why: it is a copy of what is sealed."""
    texts: bool
    """Whether it has what people wrote."""
    identities: bool
    """Whether it has who they are outside the service."""
    file: CaseFile
    report: Node | None = None
    report_files: tuple[FileSummary, ...] = ()


class _Signature(Struct, frozen=True, kw_only=True):
    algorithm: Literal["Ed25519"]
    public_key: str
    value: str


class _Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal["nightlight-case"]
    version: int
    case: Any
    signature: _Signature


def export(
    file: CaseFile,
    signer: Signer,
    *,
    at: datetime,
    by: str,
    purpose: str,
    draft: Draft | None = None,
    texts: bool = True,
    identities: bool = True,
) -> bytes:
    """The signed document, UTF-8. Without `texts` nothing that people wrote, and no report, is in it; without `identities` no names,
    addresses, IPs or devices. Raises Invalid where there is no purpose,
    or a text that is no UTF-8."""
    if not purpose.strip():
        raise Invalid("say why the case is exported", field="purpose")
    whole = texts and identities
    content = CaseExport(
        exported_at=at,
        by=by,
        purpose=purpose,
        texts=texts,
        identities=identities,
        file=_without(file, texts=texts, identities=identities),
        report=draft.document if draft is not None and whole else None,
        report_files=_summaries(draft) if draft is not None and whole else (),
    )
    case = msgspec.to_builtins(content)
    try:
        signed = _signed(case)
    except UnicodeEncodeError:
        raise Invalid("holds half a character, which no text in UTF-8 can carry", field="file") from None
    signature = {
        "algorithm": "Ed25519",
        "public_key": b64encode(signer.public_key).decode(),
        "value": b64encode(signer.sign(signed)).decode(),
    }
    return msgspec.json.encode({"format": FORMAT, "version": VERSION, "case": case, "signature": signature}, order="sorted")


def verified(document: bytes, verifier: Verifier, trusted: Collection[bytes]) -> CaseExport:
    """What a document says, once its signature by one of the `trusted` public keys is right.

    Raises TooLarge or Invalid for what is no export, Tampered where it was changed or signed by another key.
    """
    if len(document) > MAX_BYTES:
        raise TooLarge(f"larger than {MAX_BYTES // 2**20} MiB", field="document")
    try:
        envelope = msgspec.json.decode(document, type=_Envelope)
        key, value = (b64decode(text, validate=True) for text in (envelope.signature.public_key, envelope.signature.value))
    except (msgspec.DecodeError, UnicodeDecodeError, NotBase64, ValueError, RecursionError):
        raise Invalid("is no exported case", field="document") from None
    if envelope.version != VERSION:
        raise Invalid(f"was exported in version {envelope.version}; this reads {VERSION}", field="version")
    if key not in trusted or not verifier.verify(key, value, _signed(envelope.case)):
        raise Tampered("the case was changed after it was signed, or signed by a key that is not trusted")
    try:
        return msgspec.convert(envelope.case, CaseExport)
    except msgspec.ValidationError as error:
        raise Invalid(str(error), field="case") from None


def _signed(case: Any) -> bytes:
    return f"{FORMAT}/{VERSION}\n".encode() + msgspec.json.encode(case, order="sorted")


def _summaries(draft: Draft) -> tuple[FileSummary, ...]:
    return tuple(FileSummary(name=one.name, sha256=one.sha256, media_type=one.media_type, details=one.details) for one in draft.files)


def _without(file: CaseFile, *, texts: bool, identities: bool) -> CaseFile:
    if not texts:
        file = replace(
            file,
            lines=tuple(_line_without(line) for line in file.lines),
            parties=tuple(
                replace(party, bio="", screen_name="", display_names=(), age_from="", group="", note="") for party in file.parties
            ),
            media=tuple(replace(media, name="", original_name="", url="", exif=(), note="") for media in file.media),
            verdicts=tuple(replace(verdict, reason="") for verdict in file.verdicts),
            channels=tuple(replace(channel, name="", url="") for channel in file.channels),
            escalation=None if file.escalation is None else replace(file.escalation, reason=""),
            note="",
        )
    if not identities:
        file = replace(
            file,
            parties=tuple(_party_without(party) for party in file.parties),
            media=tuple(replace(media, ip=None, devices=(), exif=()) for media in file.media),
            law_enforcement=None,
        )
    return file


def _line_without(line: LineFile) -> LineFile:
    return replace(line, text="")


def _party_without(party: PartyFile) -> PartyFile:
    return PartyFile(
        account=party.account,
        role=party.role,
        age_band=party.age_band,
        assurance=party.assurance,
        compromised=party.compromised,
        disabled=party.disabled,
        prior_reports=party.prior_reports,
    )
