"""`report schema` and `report validate --xsd`: the authority's own schema, fetched from the stand-in over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nightlight.adapters.authorities.xsd import MOST_FAULTS, faults_of
from nightlight.app.settings import FILE
from nightlight.core.errors import Invalid, Unavailable
from nightlight.reporting.cybertipline import write
from nightlight.reporting.draft import draft
from tests.adapters.test_webhook import serving
from tests.app.test_cli import call
from tests.reporting.cases import NOW, sextortion

ANY = b"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
  <xs:element name="report" type="xs:anyType"/>
</xs:schema>
"""
STRICT = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="report"><xs:complexType><xs:sequence>
    <xs:element name="kind"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="a"/></xs:restriction></xs:simpleType>
    </xs:element><xs:element name="n" type="xs:int" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xmlschema", None)
    with pytest.raises(Unavailable, match=r"nightlight\[xsd\]"):
        faults_of(b"<report/>", ANY)


def test_the_schema_is_fetched_with_the_configured_access(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    out = tmp_path / "authority.xsd"
    assert "no access" in repr(call("report", "schema", "--out", out, code=2).exception)

    def answer(handler: object) -> None:
        raise AssertionError("nothing is posted")

    with serving(answer) as server:  # type: ignore[arg-type]
        served = server.http.RequestHandlerClass

        def get(self: object) -> None:
            server.received.append(({"path": self.path, "auth": self.headers["authorization"]}, b""))  # type: ignore[attr-defined]
            self.send_response(200)  # type: ignore[attr-defined]
            self.send_header("content-length", str(len(ANY)))  # type: ignore[attr-defined]
            self.end_headers()  # type: ignore[attr-defined]
            self.wfile.write(ANY)  # type: ignore[attr-defined]

        monkeypatch.setattr(served, "do_GET", get)
        url = server.url.removesuffix("/hook")
        (home / FILE).write_text(f'[authorities.cybertipline]\nto = "{url}"\nusername = "harbour"\npassword_env = "TIP"\n')
        monkeypatch.setenv("TIP", "secret")
        call("report", "schema", "--out", out)
        assert out.read_bytes() == ANY
        assert server.received[0][0]["path"] == "/xsd" and server.received[0][0]["auth"].startswith("Basic ")
        assert "File exists" in repr(call("report", "schema", "--out", out, code=2).exception)


def test_a_document_is_held_against_the_schema(tmp_path: Path) -> None:
    pytest.importorskip("xmlschema")
    file, xsd = tmp_path / "report.xml", tmp_path / "a.xsd"
    file.write_bytes(write(draft(sextortion(), NOW).document))
    xsd.write_bytes(ANY)
    call("report", "validate", file, "--xsd", xsd)
    xsd.write_bytes(STRICT)
    assert "(xsd)" in call("report", "validate", file, "--xsd", xsd, code=1).stdout


def test_faults_name_the_place_and_quote_nothing() -> None:
    pytest.importorskip("xmlschema")
    assert faults_of(b"<report><kind>a</kind><n>1</n></report>", STRICT) == []
    (kind, number) = faults_of(b"<report><kind>zantle</kind><n>brisp</n></report>", STRICT)
    assert (kind.path, number.path) == ("/report/kind", "/report/n")
    assert "zantle" not in kind.message and "brisp" not in number.message
    many = b"<report><kind>a</kind>" + b"<n>x</n>" * (MOST_FAULTS + 50) + b"</report>"
    assert len(faults_of(many, STRICT)) == MOST_FAULTS


def test_hostile_files_are_refused_and_reach_nothing(tmp_path: Path) -> None:
    pytest.importorskip("xmlschema")
    secret = tmp_path / "secret"
    secret.write_text("1")
    entity = f'<!DOCTYPE report [<!ENTITY x SYSTEM "{secret.as_uri()}">]><report><kind>a</kind><n>&x;</n></report>'.encode()
    for bad in (b"", b"\xff\xfe", b"/etc/passwd", b"http://127.0.0.1:9/x", b"<report>", entity):
        with pytest.raises(Invalid) as caught:
            faults_of(bad, STRICT)
        assert caught.value.field == "file"
    include = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="http://127.0.0.1:9/y.xsd"/></xs:schema>'
    for bad in (b"", b"<a/>", b"not xml", include + b"<", entity):
        with pytest.raises(Invalid) as caught:
            faults_of(b"<report/>", bad)
        assert caught.value.field == "xsd"
