"""Whatever goes wrong and whatever changes meanwhile: once the faults end, the bank is the server's list."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("threatexchange", reason="the package behind these exchanges is not installed (make oracles)")

from nightlight.adapters.exchanges import answers
from nightlight.core.bank import Bank, BankKind
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

from .conftest import EAGER, World
from .servers import Shield, hashed
from .standin import FAULTS
from .test_lists import MADE

# Timeouts are left out here: each costs a fifth of a second, and `test_each_fault_...` has them.
_FAULTS = st.lists(st.sampled_from(["", "", "", *(f for f in FAULTS if f != "timeout")]), max_size=12)
_WHAT = st.sampled_from(["put", "put", "put", "delete", "delete", "again", "unreadable", "readable"])
_CHANGES = st.lists(st.tuples(_WHAT, st.integers(0, 9)), max_size=8)
_numbers = itertools.count()


@pytest.fixture(params=MADE)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    with MADE[request.param][0]() as made:
        yield request.param, made


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(rounds=st.lists(st.tuples(_FAULTS, _CHANGES), min_size=1, max_size=3))
def test_any_faults_end_with_the_servers_list(rounds: list[tuple[list[str], list[tuple[str, int]]]], server: Any, world: World) -> None:
    kind, list_ = server
    _, path, options = MADE[kind]
    list_.entries, list_.extra, list_.unreadable, list_.again = {}, {}, set(), False
    list_.today()
    name = f"list-{kind}-{next(_numbers)}"
    world.add(name, kind, list_.url + path, list_.credentials, **options)
    for n in range(6):
        list_.put(str(n), at=1_700_000_000 + n * 100)
    for faults, changes in rounds:
        for what, n in changes:
            id = str(n)
            if what == "put":
                value = hashed("pdq", f"{id} {len(list_.asked)}")
                list_.put(id, {"pdq": value} if kind != "stopncii" else None)
            elif what == "delete" and list_.entries.get(id, (None,))[0]:
                list_.delete(id)
            elif what == "unreadable":
                list_.unreadable.add(id)
            elif what == "readable":
                list_.unreadable.discard(id)
            else:
                list_.again = not list_.again
        list_.fail(faults)
        world.run(name)
    list_.fail([])
    list_.unreadable = set()
    ended = world.run(name)
    assert ended.error == ""
    assert world.held(name) == list_.want()
    world.exchanges.remove(name, "tester")


@pytest.mark.parametrize("part", ["drip-headers", "drip-body"])
def test_an_answer_that_trickles_for_ever_is_ended(server: Any, part: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, list_ = server
    _, path, options = MADE[kind]
    monkeypatch.setattr(answers, "WHOLE_S", 0.3)
    world.add("slow", kind, list_.url + path, list_.credentials, **options)
    list_.put("1")
    list_.fail([part] * 4)
    world.exchanges._patience = msgspec.structs.replace(EAGER, attempts=1, skips=0)
    assert world.run("slow").error == "an answer did not end in time"
    list_.fail([])
    assert world.run("slow").error == ""
    assert world.held("slow") == list_.want()


@pytest.mark.parametrize("part", ["drip-headers", "drip-body"])
def test_so_is_one_about_hashes(part: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "WHOLE_S", 0.3)
    world.exchanges._patience = msgspec.structs.replace(EAGER, attempts=1, skips=0)
    world.banks.create(Bank(name="ours", kind=BankKind.OWN), "tester")
    world.banks.add("ours", [Fingerprint(FingerprintKind.PDQ, hashed("pdq", "1"))], "tester")
    with Shield() as shield:
        world.add("slow", "arachnid", shield.url, shield.credentials, ask_bank="ours")
        shield.fail([part])
        assert world.run("slow").error == "an answer did not end in time"
        assert world.run("slow").error == ""
