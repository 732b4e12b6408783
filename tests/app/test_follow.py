"""`screen --follow`: a real process on real pipes for what must come at once and end cleanly, the parts by themselves for the rest."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.app.cli import follow
from nightlight.app.cli.common import Exit
from nightlight.app.cli.follow import Talks, arriving, is_event
from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.event import AgeBand, ChannelKind, Message
from nightlight.kit.corpus import DAY_ONE
from tests.app.conftest import EXTORTION, message

SOON = 60.0


def said(text: str, **more: Any) -> bytes:
    return json.dumps({"at": 60, "author": "a", "text": text, "conversation": "c1"} | more).encode() + b"\n"


class Screened:
    """The command in a process of its own, a pipe at each end."""

    def __init__(self, home: Path, *options: str) -> None:
        command = [sys.executable, "-m", "nightlight", "--home", str(home), "screen", "-", "--follow", "--place", "GB", *options]
        pipe = subprocess.PIPE
        # Tests that are run in the background are born deaf to Ctrl-C, and a child inherits that.
        hear = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=hear)
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr
        self._guard = threading.Timer(SOON, self.process.kill)  # what waits for ever fails rather than hangs
        self._guard.start()

    def write(self, *lines: bytes) -> None:
        self.stdin.write(b"".join(lines))
        self.stdin.flush()

    def end(self) -> tuple[int, str]:
        """The exit code, and what was said on standard error."""
        code = self.process.wait()
        return code, self.stderr.read().decode()

    def close(self) -> None:
        self._guard.cancel()
        self.process.kill()
        self.process.wait()
        for pipe in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def screened(tmp_path: Path) -> Iterator[Any]:
    begun: list[Screened] = []

    def begin(*options: str) -> Screened:
        begun.append(Screened(tmp_path / "home", *options))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def test_an_alert_comes_while_the_pipe_is_open_and_bad_lines_are_said_by_number(screened: Any) -> None:
    one = screened("--json")
    one.write(said("hello", author="b"), b"nonsense\n", b"\n", said("hi", at="late"), said(EXTORTION))
    alert = json.loads(one.stdout.readline())  # the pipe is still open: this would wait for ever if alerts waited for its end
    assert (alert["line"], alert["conversation"], alert["level"]) == (5, "c1", "high")
    assert alert["reasons"]
    one.write(json.dumps(message(EXTORTION, channel={"id": "talk-9", "kind": "game"})).encode() + b"\n")
    assert json.loads(one.stdout.readline())["conversation"] == "talk-9", "wire events may come between"
    one.stdin.close()
    code, errors = one.end()
    assert one.stdout.read() == b""
    assert code == Exit.USAGE
    assert "line 2: " in errors and "line 4: at: " in errors
    assert "3 events decided, 2 alerts, 2 lines refused" in errors
    assert "hello" not in errors


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_being_told_to_stop_is_a_clean_end(screened: Any, stop: signal.Signals) -> None:
    one = screened()
    one.write(said("hello", author="b"), said(EXTORTION))
    assert b"line 2  conversation c1  high" in one.stdout.readline()
    one.process.send_signal(stop)
    code, errors = one.end()
    assert code == Exit.OK
    assert "2 events decided, 1 alerts, 0 lines refused, stopped" in errors
    assert "Traceback" not in errors


def test_whoever_reads_may_close_the_pipe(screened: Any) -> None:
    one = screened("--json")
    one.stdout.close()
    one.write(said("hello", author="b"), said(EXTORTION))
    one.stdin.close()
    code, errors = one.end()
    assert (code, errors) == (Exit.OK, "")


# -- Lines --------------------------------------------------------------------------------------------------------------------------


def through_a_pipe(data: bytes) -> list[tuple[int, bytes | TooLarge]]:
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        return [line for group in arriving(read) for line in group]
    finally:
        feeder.join()
        os.close(read)


@given(st.binary(max_size=300).map(lambda raw: raw.replace(b"\r", b"\n")))
def test_lines_are_those_of_the_stream_with_their_numbers(data: bytes) -> None:
    expected = [(n, line) for n, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    assert through_a_pipe(data) == expected


def test_a_line_without_end_is_refused_once_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LONGEST", 1000)
    found = through_a_pipe(b"a\n" + b"x" * 500_000 + b"\nb\n" + b"y" * 1001 + b"\n" + b"z" * 1000 + b"\n" + b"w" * 300_000)
    assert [(n, line if isinstance(line, bytes) else type(line)) for n, line in found] == [
        *((1, b"a"), (2, TooLarge), (3, b"b"), (4, TooLarge), (5, b"z" * 1000), (6, TooLarge))
    ]


# -- Talk lines ---------------------------------------------------------------------------------------------------------------------


def event(talks: Talks, number: int = 1, **more: Any) -> Message:
    return msgspec.json.decode(talks.event(said("plim", **more), number), type=Message)


def test_those_who_spoke_are_addressed() -> None:
    talks = Talks()
    authors = "abacb"
    events = [event(talks, n, author=author) for n, author in enumerate(authors)]
    assert [[t.account for t in e.targets] for e in events] == [[], ["a"], ["b"], ["a", "b"], ["a", "c"]]
    assert [e.channel and e.channel.kind for e in events] == [ChannelKind.DIRECT] * 3 + [ChannelKind.GROUP] * 2
    assert event(talks, 9, author="a", conversation="elsewhere").targets == ()
    assert [t.account for t in event(talks, 10, author="a", to=["x", "a", "y"]).targets] == ["x", "y"]
    assert len({e.id for e in events}) == len(events)


def test_roles_hold_once_they_are_said() -> None:
    talks = Talks()
    event(talks, author="a", role="adult")
    answer = event(talks, author="b", role="minor")
    assert (answer.actor.age_band, answer.targets[0].age_band) == (AgeBand.A13_15, AgeBand.ADULT)
    assert event(talks, author="a").actor.age_band is AgeBand.ADULT


def test_times_are_of_the_day_of_the_clock_or_spelt_out() -> None:
    talks = Talks()
    times = [event(talks, at=at).at for at in (86_000, 85_990, 10)]
    assert [(at - DAY_ONE).total_seconds() for at in times] == [86_000, 85_990, 86_410]
    assert event(talks, at=1_700_000_000).at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert event(talks, at="2026-01-02T03:04:05").at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_is_remembered_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "CONVERSATIONS", 50)
    talks = Talks()
    for n in range(500):
        event(talks, n, conversation=f"c{n}", author="a")
        event(talks, n, conversation="busy", author=f"author {n}", role="adult")
    assert len(talks._talks) == 50
    busy = talks._talks["busy"]
    assert len(busy.present) == len(busy.roles) == follow.PRESENT
    assert len(event(talks, conversation="busy", author="z").targets) == follow.PRESENT


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (said("x", at=-1), "at"),
        (said("x", at=1e300), "at"),
        (said("x", author=""), "author"),
        (said("x", role="teen"), "role"),
        (said("x", label=1), None),
        (b'{"at": 1}', None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (said("x").replace(b"x", b"\xff"), None),
    ],
)
def test_what_is_no_talk_line_is_refused_and_not_repeated(line: bytes, field: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        Talks().event(line, 1)
    assert refused.value.field == field
    assert "teen" not in refused.value.message


def test_a_line_that_says_its_kind_is_an_event() -> None:
    assert is_event(json.dumps(message("x")).encode())
    assert not is_event(said("x"))
    assert is_event(b"nonsense"), "and is refused as one"
