"""The reader of PAN-2012's files, on an invented one, and on what a hostile one could hold."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from nightlight.core.errors import Invalid
from nightlight.kit import pan
from nightlight.kit.corpus import BadLine, Conversation

XML = """<?xml version="1.0" encoding="UTF-8"?>
<conversations>
  <conversation id="c1">
    <message line="1"><author>vell</author><time>03:20</time><text>plim &amp;amp; dorrow</text></message>
    <message line="2"><author>brin</author><time>03:21</time><text></text></message>
  </conversation>
  <conversation id="c2">
    <message line="1"><author> otch </author><time>23:59</time><text>zantle</text></message>
    <message line="2"><author>brin</author><time>00:01</time><text>a
brisp</text></message>
  </conversation>
</conversations>
"""


def save(path: Path, text: str | bytes) -> Path:
    raw = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def found(path: Path, *authors: str, **more: dict[str, frozenset[str]]) -> list[Conversation | BadLine]:
    return list(pan.read(path, frozenset(authors), **more))


@pytest.mark.parametrize("name", ["c.xml", "c.xml.gz"])
def test_reads_conversations_with_who_said_what_when(tmp_path: Path, name: str) -> None:
    first, second = found(save(tmp_path / name, XML), "otch", marked={"c2": frozenset({"2"})})
    assert isinstance(first, Conversation) and isinstance(second, Conversation)
    assert (first.conversation, first.source, first.label, first.language) == ("c1", "pan2012", 0, "en")
    assert [(m.at, m.author, m.text) for m in first.messages] == [(12_000.0, "vell", "plim & dorrow"), (12_060.0, "brin", "")]
    assert second.positive
    assert [(m.author, m.text, m.marked) for m in second.messages] == [("otch", "zantle", False), ("brin", "a\nbrisp", True)]


def test_nobody_is_given_a_role(tmp_path: Path) -> None:
    for one in found(save(tmp_path / "c.xml", XML), "otch", "vell"):
        assert isinstance(one, Conversation)
        assert {message.role.value for message in one.messages} == {"unknown"}, "the answer must not be in the question"


def test_the_lists(tmp_path: Path) -> None:
    assert pan.predators(save(tmp_path / "p.txt", "\ufeffvell\r\n\r\notch\n")) == {"vell", "otch"}
    assert pan.marked_lines(save(tmp_path / "l.txt", "c1\t2\nc1 5\n\nc2\t1\n")) == {"c1": {"2", "5"}, "c2": {"1"}}
    with pytest.raises(Invalid, match="holds no author id"):
        pan.predators(save(tmp_path / "p.txt", "\n"))
    with pytest.raises(Invalid, match="line 2"):
        pan.marked_lines(save(tmp_path / "l.txt", "c1 2\nc1\n"))
    with pytest.raises(Invalid, match="not UTF-8"):
        pan.predators(save(tmp_path / "p.txt", b"\xff\xfe\xff"))


def wrapped(*messages: str, id: str = "c0") -> str:
    return f'<conversation id="{id}">{"".join(messages)}</conversation>'


SAID = '<message line="1"><author>a</author><time>01:02</time><text>plim</text></message>'


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (wrapped(), "messages"),
        (wrapped(SAID, id=""), "conversation"),
        (wrapped(SAID.replace("<author>a</author>", "")), "messages[0].author"),
        (wrapped(SAID, SAID.replace("01:02", "later")), "messages[1].at"),
        (wrapped(SAID.replace("01:02", "\u0661:2")), "messages[0].at"),
    ],
)
def test_a_conversation_that_does_not_fit_spoils_no_other(tmp_path: Path, bad: str, says: str) -> None:
    first, wrong, last = found(save(tmp_path / "c.xml", f"<conversations>\n{wrapped(SAID)}\n{bad}\n{wrapped(SAID)}</conversations>"))
    assert isinstance(first, Conversation) and isinstance(last, Conversation)
    assert isinstance(wrong, BadLine)
    assert (wrong.line, says in wrong.reason) == (3, True), wrong.reason


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))


@pytest.mark.parametrize(
    ("hostile", "says"),
    [
        (f'<!DOCTYPE c [<!ENTITY l0 "ha">{LAUGHS}]><conversations>{wrapped(SAID)}&l29;</conversations>', "document type"),
        ('<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/hostname">]><conversations>&x;</conversations>', "document type"),
        (f"<conversations>{wrapped(SAID)}<conversation", "not well-formed"),
        (f"<conversations>{wrapped(SAID)}</conversation>", "not well-formed"),
        ("", "not well-formed"),
        ("\x00\x01", "not well-formed"),
        ('<?xml version="1.0" encoding="none-such"?><conversations/>', "encoding"),
        (f"<conversations>{wrapped(SAID)}&unknown;</conversations>", "not well-formed"),
    ],
)
def test_hostile_xml_ends_at_once_with_what_came_before(tmp_path: Path, hostile: str, says: str) -> None:
    *before, last = found(save(tmp_path / "c.xml", hostile))
    assert isinstance(last, BadLine)
    assert says in last.reason
    assert all(isinstance(one, Conversation) for one in before)
    assert len(before) == (wrapped(SAID) in hostile and "DOCTYPE" not in hostile)


@pytest.mark.parametrize(
    "endless",
    [
        f'<conversations><conversation id="c">{SAID * 40_000}',
        '<conversations><conversation id="c"><message><text>' + "plim" * 600_000,
        f'<conversations><conversation id="{"x" * 2_500_000}"',
    ],
    ids=["messages", "text", "tag"],
)
def test_what_has_no_end_is_not_held(tmp_path: Path, endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pan, "MOST", 1_000_000)
    [last] = found(save(tmp_path / "c.xml", endless))
    assert isinstance(last, BadLine)
    assert "more than 1000000" in last.reason


def test_a_deep_tree_is_no_trouble(tmp_path: Path) -> None:
    deep = "<a>" * 200_000 + "</a>" * 200_000
    [one] = found(save(tmp_path / "c.xml", f"<conversations>{deep}{wrapped(SAID)}</conversations>"))
    assert isinstance(one, Conversation)


@pytest.mark.no_cover
def test_one_conversation_is_held_at_a_time(tmp_path: Path) -> None:
    path = save(tmp_path / "c.xml.gz", "<conversations>" + wrapped(*[SAID] * 50) * 1_000 + "</conversations>")
    tracemalloc.start()
    count = sum(isinstance(one, Conversation) for one in pan.read(path, frozenset()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1_000
    assert peak < 3_000_000, "of a file of 4 MB, and four times that as objects"


def test_a_truncated_archive_gives_what_came_before(tmp_path: Path) -> None:
    path = save(tmp_path / "c.xml.gz", "<conversations>" + "".join(wrapped(SAID, id=str(n * 7919)) for n in range(20_000)))
    path.write_bytes(path.read_bytes()[:-100])
    *before, last = found(path)
    assert before and isinstance(last, BadLine) and "decompressed" in last.reason
