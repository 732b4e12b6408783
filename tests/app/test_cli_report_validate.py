"""`nightlight report validate`: what scripts rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from nightlight.reporting.cybertipline import write
from nightlight.reporting.cybertipline.table import FILE_DETAILS, REPORT
from nightlight.reporting.cybertipline.xmltext import MAX_BYTES
from nightlight.reporting.draft import draft
from tests.app.test_cli import call, lines
from tests.reporting.cases import NOW, sextortion
from tests.reporting.documents import valid, whole


@pytest.fixture
def good() -> bytes:
    return write(draft(sextortion(), NOW).document)


def test_what_is_right_ends_with_0_and_says_nothing_on_standard_output(tmp_path: Path, good: bytes) -> None:
    file = tmp_path / "report.xml"
    file.write_bytes(good)
    assert call("report", "validate", file).stdout == ""
    assert call("report", "validate", file, "--json").output == ""
    assert call("report", "validate", "-", stdin=good).stdout == ""
    file.write_bytes(write(valid(FILE_DETAILS, 3)))
    assert call("report", "validate", file).stdout == ""


def test_each_fault_is_a_line_with_its_path(tmp_path: Path, good: bytes) -> None:
    bad = good.replace(b"<age>13</age>", b"<age>thirteen</age>").replace(
        b"<screenName>dorrow</screenName>", b"<screenname>dorrow</screenname>"
    )
    file = tmp_path / "report.xml"
    file.write_bytes(bad)
    shown = call("report", "validate", file, code=1).stdout.splitlines()
    assert len(shown) == 2
    assert shown[0].startswith("/report/personOrUserReported/screenname: ")
    assert shown[0].endswith("(unknown_element)")
    assert shown[1].startswith("/report/victim/victimPerson/age: must be a whole number")
    assert [(f["path"], f["code"]) for f in lines(call("report", "validate", "-", "--json", code=1, stdin=bad))] == [
        ("/report/personOrUserReported/screenname", "unknown_element"),
        ("/report/victim/victimPerson/age", "not_number"),
    ]


def test_what_is_no_file_or_no_xml(tmp_path: Path) -> None:
    call("report", "validate", tmp_path / "none.xml", code=3)
    call("report", "validate", tmp_path, code=2)
    call("report", "validate", code=2)
    assert "(malformed)" in call("report", "validate", "-", code=1, stdin=b"").stdout
    assert "(doctype)" in call("report", "validate", "-", code=1, stdin=b'<!DOCTYPE a [<!ENTITY b "c">]><report>&b;</report>').stdout


def test_nothing_of_a_hostile_file_reaches_the_terminal_as_a_command() -> None:
    hostile = '<report xmlns:x="urn:\x9b2J\u202e"><x:a\u00c5/></report>'.encode()
    shown = call("report", "validate", "-", code=1, stdin=hostile).stdout
    assert "(namespace)" in shown
    assert all(line.isprintable() for line in shown.splitlines())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory where Linux tells it")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    """100 MB through a pipe: the answer comes before they are read, in little memory."""
    code = (
        "import sys; from nightlight.app.cli import main\n"
        "sys.argv = ['nightlight', 'report', 'validate', '-']\n"
        "try:\n    main()\n"
        "finally:\n    print(*[x for x in open('/proc/self/status') if x.startswith('VmHWM')], file=sys.stderr)\n"
    )
    reading, writing = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(reading)
    written = 0
    try:
        for _ in range(100):
            written += os.write(writing, b"<report>" + b"x" * (1 << 20))
    except BrokenPipeError:
        pass
    finally:
        os.close(writing)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"(too_large)" in out
    assert written < 3 * MAX_BYTES
    assert int(err.split(b"VmHWM:")[1].split()[0]) < 150_000  # kilobytes; the interpreter alone is some 50,000


def test_a_whole_document_passes(tmp_path: Path) -> None:
    summary = whole(REPORT)
    assert call("report", "validate", "-", stdin=write(summary)).exit_code == 0
    broken = replace(summary, children=tuple(c for c in summary.children if c.name != "reporter"))
    assert call("report", "validate", "-", code=1, stdin=write(broken)).stdout.startswith("/report/reporter: is missing")
