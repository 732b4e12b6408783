"""The jurisdiction gate: which processing is permitted, by kind of data, channel and the places of all parties.

The table is data that a lawyer can read and change (`jurisdictions.toml`); the code only looks it up. `table` reads and checks the
file, `jurisdiction` rules on events. Nothing else lives here.
"""

from nightlight.policy.gate.jurisdiction import JurisdictionGate
from nightlight.policy.gate.table import DEMO_PLACE, Cell, Table, load_table, shipped_table

__all__ = ["DEMO_PLACE", "Cell", "JurisdictionGate", "Table", "load_table", "shipped_table"]
