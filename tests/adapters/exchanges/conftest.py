from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from nightlight.adapters.exchanges import answers
from nightlight.adapters.index import FlatIndex
from nightlight.adapters.store import Database
from nightlight.app.exchanges import Exchanges
from nightlight.app.fetching import Patience
from nightlight.core.bank import BankItem, ItemVerdict
from nightlight.core.exchange import Exchange, ExchangeKind, ExchangeRun
from nightlight.core.services import BankService

from .servers import Held

EAGER = Patience(attempts=6, base_s=0.0, cap_s=0.0, whole=timedelta(minutes=5))


class World:
    """A real database, its banks, and exchanges that never wait."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.banks: Any = Heard(database.banks(FlatIndex(), lambda _: ()))
        self.exchanges = Exchanges(database.exchanges, self.banks, database.clock.now, patience=EAGER)

    def add(self, name: str, kind: str, url: str = "", credentials: Mapping[str, str] | None = None, **options: str) -> Exchange:
        made = Exchange(name=name, kind=ExchangeKind(kind), bank=name, url=url, options=options)
        return self.exchanges.create(made, "tester", credentials)

    def run(self, name: str) -> ExchangeRun:
        return self.exchanges.run(name, "tester")

    def items(self, bank: str) -> Sequence[BankItem]:
        out: list[BankItem] = []
        while page := self.banks.items(bank, out[-1].id if out else None, 1000):
            out += page
        return out

    def held(self, bank: str) -> Held:
        return {str(i.source): frozenset((f.kind.value, f.value) for f in i.fingerprints) for i in self.items(bank)}


class Heard:
    """The real banks, with verdicts that a test gives: who gives them in earnest is not this room's matter."""

    def __init__(self, banks: BankService) -> None:
        self._banks = banks
        self.verdicts: dict[int, ItemVerdict] = {}
        self.sent: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._banks, name)

    def unsent_verdicts(self, bank: str, most: int = 100) -> Sequence[ItemVerdict]:
        return [v for v in self.verdicts.values() if v.bank == bank and v.id not in self.sent][:most]

    def mark_sent(self, bank: str, verdicts: Sequence[int]) -> None:
        self.sent += verdicts


@pytest.fixture
def store_url() -> str | None:
    """What a protocol does is the same over either database; `tests/adapters/test_store_exchanges.py` runs over both."""
    return None


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that never answers is given up soon, but not one that is slow because the machine is busy."""
    import importlib

    for name in ("guarded", "arachnid"):
        try:
            module = importlib.import_module(f"nightlight.adapters.exchanges.{name}")
        except ImportError:
            continue
        monkeypatch.setattr(module, "READ_S", 0.6)
        monkeypatch.setattr(module, "CONNECT_S", 2.0)
    assert answers.READ_S == 60.0
    yield
