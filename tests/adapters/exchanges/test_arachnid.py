"""Arachnid Shield is asked about the hashes of one bank, and what it knows fills another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nightlight.core.bank import Bank, BankKind
from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

from .conftest import World
from .servers import Shield, hashed
from .standin import FAULTS

PDQS = [hashed("pdq", n) for n in range(6)]


@pytest.fixture
def shield(world: World) -> Iterator[Shield]:
    world.banks.create(Bank(name="seen", kind=BankKind.QUARANTINE), "tester")
    for pdq in PDQS:
        world.banks.add("seen", [Fingerprint(FingerprintKind.PDQ, pdq)], "tester")
    world.banks.add("seen", [Fingerprint(FingerprintKind.MD5, hashed("md5", 1))], "tester")
    with Shield() as server:
        server.known = {PDQS[1]: "csam", PDQS[4]: "harmful-abusive-material"}
        world.add("shield", "arachnid", server.url, server.credentials, ask_bank="seen")
        yield server


def test_what_it_knows_is_banked_and_what_it_forgets_goes(world: World, shield: Shield) -> None:
    ended = world.run("shield")
    assert (ended.error, ended.added, ended.bad) == ("", 2, 0)
    found = {frozenset((f.kind.value, f.value) for f in i.fingerprints): i.labels for i in world.items("shield")}
    assert found == {
        frozenset((k, v) for k, v in (("pdq", p), ("sha256", hashed("sha256", p)), ("sha1", hashed("sha1", p)))): (label,)
        for p, label in shield.known.items()
    }
    bank = next(b for b in world.banks.banks() if b.name == "shield")
    assert bank.kind is BankKind.PARTNER
    del shield.known[PDQS[4]]
    shield.known[PDQS[0]] = "csam"
    again = world.run("shield")
    assert (again.error, again.added, again.withdrawn) == ("", 1, 1)
    assert all(b'"hashes"' in a.body for a in shield.asked)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_passes_when_it_is_asked_again(world: World, shield: Shield, fault: str) -> None:
    shield.fail([fault, fault])
    ended = world.run("shield")
    assert (ended.error, ended.added, ended.bad) == ("", 2, 0)


def test_a_question_that_is_too_large_is_put_with_fewer_and_a_bad_one_passed_over(world: World, shield: Shield) -> None:
    shield.most = 2
    assert (world.run("shield").added, world.exchanges.status("shield").failures) == (2, 0)
    shield.unreadable = {PDQS[0]}
    shield.known[PDQS[3]] = "csam"
    ended = world.run("shield")
    assert ended.error == "1 item(s) could not be asked about"
    assert (ended.added, ended.withdrawn) == (1, 0)


def test_odd_answers_are_bad_rows(world: World, shield: Shield) -> None:
    shield.odd = {PDQS[2]: {"classification": "something new", "match_type": "near"}, PDQS[3]: 7, PDQS[5]: {"no": "type"}}
    ended = world.run("shield")
    assert (ended.error, ended.added, ended.bad) == ("", 2, 3)


def test_a_redirect_is_not_followed(world: World, shield: Shield) -> None:
    with Shield() as elsewhere:
        shield.fail([f"redirect {elsewhere.url}/v1/pdq/"] * 100)
        assert world.run("shield").error
        assert elsewhere.asked == []


def test_it_is_not_asked_about_the_bank_that_it_fills(world: World, shield: Shield) -> None:
    with pytest.raises(Invalid, match="another bank"):
        world.add("other", "arachnid", shield.url, shield.credentials, ask_bank="other")
