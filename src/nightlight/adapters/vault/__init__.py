"""The vault: evidence under a key a case, with the keys outside the database; and real identities, in a table of their own.

`SqlVault` fills `core.vault.Vault`. Its modules: `keys` (what lies in the key folder), `sealing` (content in parts), `rows` (what is
authenticated, and how), `promoting` (recent messages move in when a case opens), `destroying`, `checking`, `sweeping` (what happens by
itself), `clocks` (the table for a lawyer), `identities`, `transit` (wrapping keys in a key service).
"""

from nightlight.adapters.vault.clocks import ClockTable, load_clocks, shipped_clocks
from nightlight.adapters.vault.identities import Resolver, SqlIdentities
from nightlight.adapters.vault.keys import KEY_FOLDER, WRAPPING, CaseSecrets, FileWrapper
from nightlight.adapters.vault.promoting import waiting
from nightlight.adapters.vault.store import VAULT, SqlVault
from nightlight.adapters.vault.transit import MovingWrapper, TransitWrapper

__all__ = [
    "KEY_FOLDER",
    "VAULT",
    "WRAPPING",
    "CaseSecrets",
    "ClockTable",
    "FileWrapper",
    "MovingWrapper",
    "Resolver",
    "SqlIdentities",
    "SqlVault",
    "TransitWrapper",
    "load_clocks",
    "shipped_clocks",
    "waiting",
]
