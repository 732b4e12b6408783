"""The corpus reader: what it reads, what it reports, and the events that come of it."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance, ChannelKind, Event
from nightlight.kit.corpus import DAY_ONE, BadLine, Conversation, Line, load, stream, to_events


def line(name: str = "c1", label: int = 0, **changes: Any) -> dict[str, Any]:
    messages = [{"at": 60, "author": "vell", "text": "plim"}, {"at": 61, "author": "brin", "text": "dorrow"}]
    return {"conversation": name, "source": "s", "label": label, "messages": messages, **changes}


def write(path: Path, *lines: Any) -> Path:
    raw = b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_reads_plain_and_compressed(tmp_path: Path, name: str) -> None:
    corpus = load(write(tmp_path / name, line("c1"), b"", line("c2", label=1)))
    assert [(c.conversation, c.positive) for c in corpus.conversations] == [("c1", False), ("c2", True)]
    assert corpus.bad_lines == ()


BAD = {
    "not json": (b'{"conversation"', "truncated"),
    "not utf-8": (json.dumps(line()).encode().replace(b"plim", b"\xff\xfe"), "utf"),
    "label": (line(label=2), "label"),
    "no messages": (line(messages=[]), "messages"),
    "text of another type": (line(messages=[{"at": 1, "author": "a", "text": 5}]), "messages[0].text"),
    "negative time": (line(messages=[{"at": -1, "author": "a", "text": ""}]), "messages[0].at"),
    "misspelt field": (line(mesages=[]), "mesages"),
    "unknown role": (line(messages=[{"at": 1, "author": "a", "text": "", "role": "teen"}]), "role"),
    "deep": (b"[" * 10_000, ""),
    "same conversation again": (line("good"), "conversation"),
}


@pytest.mark.parametrize(("bad", "names"), BAD.values(), ids=BAD)
def test_a_bad_line_is_reported_by_number_and_spoils_no_other(tmp_path: Path, bad: Any, names: str) -> None:
    corpus = load(write(tmp_path / "c.jsonl", line("good"), b"", bad, line("good too")))
    assert [c.conversation for c in corpus.conversations] == ["good", "good too"]
    assert [one.line for one in corpus.bad_lines] == [3]
    assert names in corpus.bad_lines[0].reason.lower()


def test_reasons_never_repeat_what_is_written(tmp_path: Path) -> None:
    secret = "zantle otchet savik"
    unknown_role = [{"at": 1, "author": "a", "text": "", "role": f"it's {secret}"}]
    for messages in (unknown_role, [{"at": secret, "author": "a", "text": secret}], [{"at": 1, "author": "a", "text": [secret]}], secret):
        [bad] = stream(write(tmp_path / "c.jsonl", line(messages=messages)))
        assert isinstance(bad, BadLine)
        assert secret not in bad.reason


def test_a_truncated_archive_gives_what_came_before(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl.gz", line("first"), *(line(f"c{n}", source=str(hash(n) * 7919)) for n in range(2000)))
    path.write_bytes(path.read_bytes()[:-200])
    found = list(stream(path))
    assert isinstance(found[0], Conversation)
    assert isinstance(found[-1], BadLine)
    assert "decompressed" in found[-1].reason


def test_an_empty_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"c\.jsonl: holds no conversation; line 1"):
        load(write(tmp_path / "c.jsonl", b"nothing"))


def conversation(*messages: dict[str, Any]) -> Conversation:
    return msgspec.convert(line(messages=list(messages)), Conversation)


def test_two_people_address_each_other_even_before_the_second_speaks() -> None:
    first, second = to_events(conversation({"at": 5, "author": "a", "text": "x"}, {"at": 9, "author": "b", "text": "y"}))
    assert [t.account for t in first.targets] == ["b"]
    assert [t.account for t in second.targets] == ["a"]
    assert first.channel is not None and first.channel.kind is ChannelKind.DIRECT
    assert first.at == DAY_ONE + timedelta(seconds=5)
    assert first.id != second.id


def test_in_a_group_those_present_are_addressed() -> None:
    events = to_events(conversation(*({"at": n, "author": name, "text": ""} for n, name in enumerate("abcab"))))
    assert [[t.account for t in e.targets] for e in events] == [[], ["a"], ["a", "b"], ["b", "c"], ["a", "c"]]
    assert {e.channel.kind for e in events if e.channel} == {ChannelKind.GROUP}


def test_roles_and_addressees_are_taken_where_given() -> None:
    events = to_events(
        conversation(
            {"at": 1, "author": "a", "text": "", "role": "adult", "to": ["b", "a", "d"]},
            {"at": 2, "author": "b", "text": "", "role": "minor", "to": "c"},
            {"at": 3, "author": "c", "text": ""},
        ),
        assurance=Assurance.ESTIMATED,
    )
    assert [t.account for t in events[0].targets] == ["b", "d"]
    assert events[0].actor.age_band is AgeBand.ADULT and events[0].actor.assurance is Assurance.ESTIMATED
    assert events[0].targets[0].age_band is AgeBand.A13_15, "a role said later holds for the whole conversation"
    assert events[2].actor.age_band is AgeBand.UNKNOWN


def test_midnight_is_another_day_and_a_small_step_back_is_not() -> None:
    times = (86_000, 85_990, 10, 20)
    events = to_events(conversation(*({"at": t, "author": "a", "text": ""} for t in times)))
    assert [(e.at - DAY_ONE).total_seconds() for e in events] == [86_000, 85_990, 86_410, 86_420]


@given(
    st.lists(
        st.builds(
            Line,
            at=st.floats(0, 86_399),
            author=st.sampled_from("abcd"),
            text=st.text(st.characters(codec="utf-8"), max_size=9),
            to=st.none() | st.sampled_from("abcdx") | st.lists(st.sampled_from("abcdx"), max_size=3).map(tuple),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_event_is_one_that_a_service_could_send(lines: list[Line]) -> None:
    events = to_events(Conversation(conversation="c", source="s", label=0, messages=tuple(lines)))
    assert len({e.id for e in events}) == len(lines)
    for event in events:
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
        assert event.actor.account not in [t.account for t in event.targets]
        assert len({t.account for t in event.targets}) == len(event.targets)
