"""The fingerprint index: which banked pictures lie within their bank's threshold. Exact; the store is the lasting copy.

`MultiIndex` is the one that serves: multi-index hashing (`layout`, `kernels`) over immutable mapped files (`file`, `build`, `segment`,
`folder`), and a small scanned part for what changed since. `FlatIndex` is that scanned part, and an index of its own where there are
few items; `PlainIndex` is the slow twin for tests. All fill core's `FingerprintIndex`.
"""

from nightlight.adapters.index.flat import FlatIndex
from nightlight.adapters.index.multi import MultiIndex, Tuning
from nightlight.adapters.index.plain import PlainIndex

__all__ = ["FlatIndex", "MultiIndex", "PlainIndex", "Tuning"]
