"""Banks over every database, with the slow and plain twin of an index: a dictionary."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.banks import SqlBanks
from nightlight.core.bank import Bank, BankKind
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from tests.adapters.banking import DictIndex

MD5 = Fingerprint(FingerprintKind.MD5, "0123456789abcdef" * 2)
SHA = Fingerprint(FingerprintKind.SHA256, "0123456789abcdef" * 4)


def hasher(data: bytes) -> tuple[Fingerprint, ...]:
    return (Fingerprint(FingerprintKind.MD5, data.hex().ljust(32, "0")),)


@pytest.fixture
def banks(database: Database) -> SqlBanks:
    return database.banks(DictIndex(), hasher)


def test_what_is_banked_matches_at_once(banks: SqlBanks) -> None:
    made = banks.create(Bank(name="own", note="ours"), "cli")
    assert banks.banks() == [made] and made.created_at is not None
    item = banks.add("own", [MD5, SHA, MD5], "cli", labels=["a"], source="s1")
    assert item.fingerprints == (MD5, SHA)
    assert banks.items("own") == [item]
    assert {m.item for m in banks.match([SHA])} == {item.id}
    assert banks.sizes() == {FingerprintKind.MD5: 1, FingerprintKind.SHA256: 1}
    hashed = banks.add_bytes("own", b"picture", "cli")
    assert banks.match(hasher(b"picture"))[0].item == hashed.id


def test_disabling_and_removing(banks: SqlBanks) -> None:
    banks.create(Bank(name="own"), "cli")
    item = banks.add("own", [MD5], "cli")
    assert banks.set_item_enabled("own", item.id, False, "cli").enabled is False
    assert banks.match([MD5]) == []
    banks.set_item_enabled("own", item.id, True, "cli")
    assert banks.change("own", "cli", enabled=False, threshold=10, note="n").threshold == 10
    assert banks.match([MD5]) == []
    banks.change("own", "cli", enabled=True)
    assert len(banks.match([MD5])) == 1
    banks.remove("own", item.id, "cli")
    assert banks.match([MD5]) == [] and banks.items("own") == []


def test_another_process_sees_changes_when_it_refreshes(
    banks: SqlBanks, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock
) -> None:
    banks.create(Bank(name="own"), "cli")
    old = banks.add("own", [SHA], "cli")
    database = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        other = database.banks(DictIndex(), hasher)
        assert other.match([SHA])[0].item == old.id, "everything is loaded at the start"
        item = banks.add("own", [MD5], "cli")
        assert other.match([MD5]) == []
        assert other.refresh() == 1 and other.refresh() == 0
        assert other.match([MD5])[0].item == item.id
        banks.remove("own", item.id, "cli")
        other.create(Bank(name="new", kind=BankKind.PARTNER), "cli")
        assert other.match([MD5]) == [], "its own change brought the others with it"
    finally:
        database.close()


def test_pages_of_items(banks: SqlBanks) -> None:
    banks.create(Bank(name="own"), "cli")
    ids = sorted(banks.add("own", [hasher(bytes([n]))[0]], "cli").id for n in range(5))
    first = [i.id for i in banks.items("own", most=3)]
    assert first + [i.id for i in banks.items("own", first[-1], 3)] == ids


def test_what_does_not_fit_is_refused_and_changes_nothing(banks: SqlBanks, database: Database) -> None:
    banks.create(Bank(name="own"), "cli")
    rows = len(database.audit.entries())
    with pytest.raises(Conflict):
        banks.create(Bank(name="own"), "cli")
    for name in ("", "Own", "a b", "-a", "x" * 65, "a\n"):
        with pytest.raises(Invalid):
            banks.create(Bank(name=name), "cli")
    with pytest.raises(Invalid, match="0 to 31"):
        banks.change("own", "cli", threshold=32)
    for wrong in (Fingerprint(FingerprintKind.SHA256, "ab" * 16), Fingerprint(FingerprintKind.MD5, "G" * 32)):
        with pytest.raises(Invalid) as caught:
            banks.add("own", [MD5, wrong], "cli")
        assert caught.value.field == "fingerprints[1].value"
    for call in (
        lambda: banks.add("none", [MD5], "cli"),
        lambda: banks.items("none"),
        lambda: banks.change("none", "cli", enabled=True),
        lambda: banks.remove("own", "none", "cli"),
        lambda: banks.set_item_enabled("own", "none", True, "cli"),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Invalid):
        banks.add("own", [], "cli")
    assert len(database.audit.entries()) == rows and banks.items("own") == []


def test_every_change_is_audited_without_the_hash_itself(banks: SqlBanks, database: Database) -> None:
    banks.create(Bank(name="own"), "cli")
    item = banks.add("own", [MD5], "key:abc")
    banks.set_item_enabled("own", item.id, False, "key:abc")
    banks.change("own", "cli", threshold=3)
    banks.remove("own", item.id, "cli")
    entries = [e for _, e in database.audit.entries()]
    assert [e.action for e in entries] == ["bank.create", "bank.item.add", "bank.item.disable", "bank.change", "bank.item.remove"]
    assert entries[1].actor == "key:abc" and entries[1].target == f"own/{item.id}"
    assert MD5.value not in repr(entries)
    with database.sql.read() as connection:
        assert MD5.value.encode() not in repr(connection.exec_driver_sql("SELECT * FROM bank_items").all()).encode()
