"""Defaults by age: what each feature of a service is to be like, and how far a service's own settings are from it.

The rules are data (`data/*.toml`): `general.toml` has every feature, the others what one place asks beyond it. `table` reads them,
`protections` merges them (the strictest wins), `check` compares a service's settings with them.
"""

from nightlight.protect.defaults.protections import LANGUAGES, Protections
from nightlight.protect.defaults.table import FILES, load_general, load_place

__all__ = ["FILES", "LANGUAGES", "Protections", "load_general", "load_place"]
