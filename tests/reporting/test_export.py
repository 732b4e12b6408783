"""A signed export says exactly what was signed, and nothing that it was asked to leave out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nightlight.adapters.signer import Ed25519Signer, Ed25519Verifier
from nightlight.core.casefile import CaseFile
from nightlight.core.draft import Draft
from nightlight.core.errors import Invalid, NightlightError, Tampered, TooLarge
from nightlight.reporting.draft import draft
from nightlight.reporting.export import MAX_BYTES, export, verified
from tests.reporting.cases import NOW, anything, known_material, sextortion

SIGNER = Ed25519Signer(bytes(range(32)))
VERIFIER = Ed25519Verifier()


def exported(file: CaseFile, *, made: Draft | None = None, texts: bool = True, identities: bool = True) -> bytes:
    return export(file, SIGNER, at=NOW, by="reviewer:r1", purpose="asked by a court", draft=made, texts=texts, identities=identities)


def test_what_is_exported_comes_back_whole() -> None:
    file = known_material()
    made = draft(file, NOW)
    back = verified(exported(file, made=made), VERIFIER, {SIGNER.public_key})
    assert back.file == file
    assert back.report == made.document
    assert [one.sha256 for one in back.report_files] == [one.sha256 for one in made.files]
    assert exported(file, made=made) == exported(file, made=made)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_a_case_holds_comes_back(seed: int) -> None:
    file = anything(seed)
    if "\\ud800" in repr(file):
        with pytest.raises(Invalid):
            exported(file)
        return
    assert verified(exported(file), VERIFIER, {SIGNER.public_key}).file == file


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    document = _DOCUMENT
    at = data.draw(st.integers(0, len(document) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = document[:at] + bytes([document[at] ^ (1 << bit)]) + document[at + 1 :]
    try:
        back = verified(changed, VERIFIER, {SIGNER.public_key})
    except NightlightError:
        return
    # Letters that JSON reads alike, such as another escape, are the same document.
    assert back == verified(document, VERIFIER, {SIGNER.public_key})


_DOCUMENT = exported(sextortion())


def test_another_key_is_not_trusted_even_where_its_signature_is_right() -> None:
    other = Ed25519Signer(b"x" * 32)
    forged = export(sextortion(), other, at=NOW, by="r", purpose="p")
    with pytest.raises(Tampered):
        verified(forged, VERIFIER, {SIGNER.public_key})
    assert verified(forged, VERIFIER, {other.public_key})
    with pytest.raises(Tampered):
        verified(_DOCUMENT, VERIFIER, set())


def test_two_values_under_one_name_do_not_split_what_is_checked_from_what_is_read() -> None:
    evil = msgspec.json.encode(msgspec.to_builtins({"case": "another"}))[1:-1]
    twice = b"{" + evil + b"," + _DOCUMENT[1:]
    assert verified(twice, VERIFIER, {SIGNER.public_key}).file == sextortion()
    with pytest.raises(Tampered):
        verified(_DOCUMENT[:-1] + b"," + evil + b"}", VERIFIER, {SIGNER.public_key})


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b"\\xff", b"null", b"[" * 100_000, _DOCUMENT[:-20], b'{"format":"other"}'])
def test_what_is_no_export_is_refused(document: bytes) -> None:
    with pytest.raises(Invalid):
        verified(document, VERIFIER, {SIGNER.public_key})


def test_a_version_to_come_and_a_huge_document_are_refused() -> None:
    with pytest.raises(Invalid) as told:
        verified(_DOCUMENT.replace(b'"version":1', b'"version":2'), VERIFIER, {SIGNER.public_key})
    assert told.value.field == "version"
    with pytest.raises(TooLarge):
        verified(b" " * (MAX_BYTES + 1), VERIFIER, {SIGNER.public_key})


def test_without_texts_nothing_that_people_wrote_is_in_it() -> None:
    file = replace(sextortion(), note="wexa savik")
    made = draft(file, NOW)
    bare = exported(file, made=made, texts=False)
    for written in (*(line.text for line in file.lines), "fenny", "dorrow", "wexa", "said so in the conversation", "Harbour"):
        assert written.encode() not in bare, written
    assert b"threatens and demands" in bare  # why a line counts: a detector's words
    assert b"rowan@mail.example" in bare


def test_without_identities_nobody_can_be_found_by_it() -> None:
    file = known_material()
    bare = exported(file, made=draft(file, NOW), identities=False)
    for secret in ("rowan@mail.example", "600123123", "203.0.113.7", "198.51.100.4", "0f3c", "Otchet", "Zantle", "1990-04-02"):
        assert secret.encode() not in bare, secret
    assert b"safety@lanternfield.example" in bare  # the service's own


def test_an_export_says_why() -> None:
    with pytest.raises(Invalid) as told:
        export(sextortion(), SIGNER, at=NOW, by="r", purpose=" ")
    assert told.value.field == "purpose"


def test_signatures_are_rfc_8032s() -> None:
    """Its first test vector (section 7.1)."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signer = Ed25519Signer(seed)
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = signer.sign(b"")
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")
    assert VERIFIER.verify(signer.public_key, signature, b"")
    assert not VERIFIER.verify(signer.public_key, signature, b"x")
    assert not VERIFIER.verify(b"short", signature, b"")
    assert not VERIFIER.verify(signer.public_key, b"short", b"")
    with pytest.raises(ValueError, match="32"):
        Ed25519Signer(b"short")
