"""Clients of the exchanges, one module a kind. Each fills `core.exchange.ExchangeClient` and knows neither database nor schedule.

`kinds.py` says what each kind needs and is all that is loaded until a list is fetched: most of the packages behind it are optional.
"""

from nightlight.adapters.exchanges.kinds import KINDS, Kind, build, checked

__all__ = ["KINDS", "Kind", "build", "checked"]
