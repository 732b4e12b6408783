"""The vault with its wrapping keys in a key service over HTTP: whatever the service does, no case is left half sealed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from nightlight.adapters.sealer import KeysMissing
from nightlight.adapters.store import Database
from nightlight.adapters.store.vault_tables import vault_cases, vault_items, vault_parts
from nightlight.adapters.vault import WRAPPING, FileWrapper, MovingWrapper, TransitWrapper
from nightlight.app.bootstrap import bootstrap
from nightlight.app.settings import FILE, load
from nightlight.core.errors import Invalid, NightlightError, Tampered, Unavailable

from .transit_stand_in import TOKEN, Transit, transit
from .vaulting import ANA, MEDIA, PICTURE, WHY, filled, talk

embedded = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def service() -> Iterator[Transit]:
    with transit() as running:
        yield running


@pytest.fixture
def wrapper(service: Transit) -> Iterator[TransitWrapper]:
    made = TransitWrapper(service.url, "nightlight", lambda: TOKEN, timeout_s=20)
    yield made
    made.close()


def test_a_wrapped_key_opens_for_its_case_alone(service: Transit, wrapper: TransitWrapper) -> None:
    id, wrapped = wrapper.wrap(b"k" * 32, "vault:one")
    assert id == "transit:nightlight:v1" == wrapper.current and b"k" * 32 not in wrapped
    assert wrapper.unwrap(id, wrapped, "vault:one") == b"k" * 32
    with pytest.raises(Tampered):
        wrapper.unwrap(id, wrapped, "vault:two")
    flipped = wrapped[:-4] + (b"AAA=" if wrapped[-4:] != b"AAA=" else b"BBB=")
    for bad in (flipped, b"", b"\xff\x00", b"vault:v2" + wrapped[8:]):
        with pytest.raises(Tampered):
            wrapper.unwrap(id, bad, "vault:one")
    service.ignores_context = True
    _, unbound = wrapper.wrap(b"k" * 32, "vault:one")
    with pytest.raises(Tampered, match="belong"):
        wrapper.unwrap(id, unbound, "vault:two")


def test_a_rotation_destroys_the_older_versions(service: Transit, wrapper: TransitWrapper) -> None:
    id, wrapped = wrapper.wrap(b"k" * 32, "c")
    assert wrapper.rotate() == "transit:nightlight:v2"
    assert wrapper.unwrap(id, wrapped, "c") == b"k" * 32
    with pytest.raises(KeysMissing):
        wrapper.forget("transit:nightlight:v9")
    wrapper.forget("transit:nightlight:v2")
    assert set(service.keys["nightlight"]) == {2}
    with pytest.raises(Tampered):
        wrapper.unwrap(id, wrapped, "c")


def test_each_fault_says_what_to_do_and_nothing_that_the_service_said(service: Transit, wrapper: TransitWrapper) -> None:
    id, wrapped = wrapper.wrap(b"k" * 32, "c")
    quick = TransitWrapper(service.url, "nightlight", lambda: TOKEN, timeout_s=0.05)
    faults: list[tuple[int | str | None, TransitWrapper, type[NightlightError], str]] = [
        (503, wrapper, Unavailable, "sealed"),
        (403, wrapper, Unavailable, "token"),
        (500, wrapper, Unavailable, "500"),
        (307, wrapper, Unavailable, "307"),
        ("cut", wrapper, Unavailable, "reached"),
        ("garbage", wrapper, Unavailable, "no JSON"),
        ("hang", quick, Unavailable, "in time"),
        (None, TransitWrapper(service.url, "nightlight", lambda: "stolen"), Unavailable, "token"),
        (None, TransitWrapper(service.url, "another", lambda: TOKEN), KeysMissing, "404"),
        (None, TransitWrapper(service.url, "nightlight", lambda: TOKEN, mount="elsewhere"), KeysMissing, "404"),
    ]
    for fault, one, error, words in faults:
        service.fault = fault
        for call in (lambda one=one: one.wrap(b"k" * 32, "c"), lambda one=one: one.current):
            with pytest.raises(error, match=words) as caught:
                call()
            assert "secret words" not in str(caught.value) and TOKEN not in str(caught.value)
    service.fault = None
    assert wrapper.unwrap(id, wrapped, "c") == b"k" * 32
    with pytest.raises(KeysMissing):
        wrapper.unwrap("w0011", wrapped, "c")
    service.make("another")
    with pytest.raises(Tampered, match="400"):
        wrapper.unwrap("transit:another:v1", wrapped, "c")


def test_an_address_that_cannot_be_trusted_is_refused() -> None:
    for url in ("http://kms.example", "ftp://127.0.0.1", "https://u:p@kms.example", "https://kms.example?x=1", "https://"):
        with pytest.raises(Invalid):
            TransitWrapper(url, "k", lambda: TOKEN)
    for name in ("", "a/b", "..", "a b"):
        with pytest.raises(Invalid):
            TransitWrapper("https://kms.example", name, lambda: TOKEN)


def test_a_vault_over_the_service_and_no_case_half_sealed(database: Database, service: Transit, wrapper: TransitWrapper) -> None:
    database.vault_wrapper = wrapper
    case = talk(database)
    for fault in (503, 403, "cut", "garbage"):
        service.fault = fault
        with pytest.raises(Unavailable):
            database.vault.keep(case, MEDIA, PICTURE, "system")
        assert database.vault.promote() == 0, "it waits, and nothing deletes it meanwhile"
        with database.sql.read() as connection:
            assert not any(connection.execute(select(t)).all() for t in (vault_cases, vault_items, vault_parts))
    service.fault = None
    assert database.vault.promote() > 0
    item = database.vault.keep(case, MEDIA, PICTURE, "system")
    assert database.vault.open(case, item.id, who=ANA, reason=WHY) == PICTURE
    assert database.vault.rotate("cli:ana") == 1
    assert set(service.keys["nightlight"]) == {2}
    assert database.vault.open(case, item.id, who=ANA, reason=WHY) == PICTURE and database.vault.verify().ok
    service.fault = 503  # midway through a rotation
    with pytest.raises(Unavailable):
        database.vault.rotate("cli:ana")
    service.fault = None
    assert database.vault.open(case, item.id, who=ANA, reason=WHY) == PICTURE
    service.keys["nightlight"] = {9: b"x" * 32}
    with pytest.raises(Tampered):
        database.vault.open(case, item.id, who=ANA, reason=WHY)
    assert database.audit.verify().ok


@embedded
def test_a_rotation_moves_from_the_key_file_to_the_service(database: Database, wrapper: TransitWrapper) -> None:
    vault, case = filled(database)
    file = database.vault_keys / WRAPPING
    assert file.exists()
    vault.wrapper = MovingWrapper(wrapper, FileWrapper(file))
    assert vault.verify().ok, "what the file wrapped opens still"
    assert vault.rotate("cli:ana") == 1 and not file.exists()
    assert vault.verify().ok
    with database.sql.read() as connection:
        assert connection.execute(select(vault_cases.c.wrapper)).scalars().all() == ["transit:nightlight:v2"]
    assert len(vault.items(case)) == 5


def test_the_settings_name_the_service_and_a_guarded_token(home: Path, service: Transit) -> None:
    token = home / "kms-token"
    token.write_text(TOKEN + "\n")
    (home / FILE).write_text(f'[vault.kms]\nurl = "{service.url}"\nkey = "nightlight"\ntoken_file = "kms-token"\n')
    token.chmod(0o644)
    with bootstrap(home, settings=load(home)) as graph:
        case = talk(graph.database)
        with pytest.raises(Invalid, match="chmod"):
            graph.vault.keep(case, MEDIA, PICTURE, "system")
        token.chmod(0o600)
        item = graph.vault.keep(case, MEDIA, PICTURE, "system")
        assert graph.vault.open(case, item.id, who=ANA, reason=WHY) == PICTURE
        assert not (home / "vault-keys" / WRAPPING).exists()
        graph.database.lifecycle.backup(home / "copy", "cli:ana", with_keys=home / "keys.json")
    assert (home / "copy" / "vault-keys").exists()
