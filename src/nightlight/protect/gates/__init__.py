"""Gates: who may reach, give to, add, be suggested to and see whom. Pure: no clock, no store, no I/O but reading the shipped table.

`table` reads and checks `policy.toml`, `decide` answers questions by it, `matrix` writes it out in full, `pairing` says who may become
trusted contacts. What is held about an account is handed in as `core.gates.Known`.
"""

from nightlight.protect.gates.decide import Gates
from nightlight.protect.gates.pairing import may_pair
from nightlight.protect.gates.table import GatePolicy, PairKind, kind_of, load_policy, shipped_policy

__all__ = ["GatePolicy", "Gates", "PairKind", "kind_of", "load_policy", "may_pair", "shipped_policy"]
