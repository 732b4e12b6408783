"""`SqlCaseDesk`: cases in the hands of people, over SQL. One part a module, each a layer on the one before."""

from __future__ import annotations

from nightlight.adapters.store.desk.base import Tools
from nightlight.adapters.store.desk.sample import SampleDesk
from nightlight.adapters.store.desk.told import Told, ToldDesk

__all__ = ["SqlCaseDesk", "Told", "Tools"]


class SqlCaseDesk(SampleDesk, ToldDesk):
    """Fills `core.desk.CaseDesk`. Safe to use from several threads and processes."""
