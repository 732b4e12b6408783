"""Banks: lists of known material in the database, and everything that people and exchanges do with them.

`service` is the face (`SqlBanks`); `writing` is how anything changes: one transaction, one version, one entry of the audit log, what was
there before kept as history. `versions` goes back; `bulk` is a list's thousands of changes at once; `verdicts` is what people say;
`mirror` keeps the index in memory in step, and `lookup` says what each match may do.
"""

from nightlight.adapters.store.banks.service import Hasher, SqlBanks

__all__ = ["Hasher", "SqlBanks"]
