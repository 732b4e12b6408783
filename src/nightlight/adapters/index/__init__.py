"""The fingerprint index: which banked pictures lie within their bank's threshold. Exact, in memory; the store is the lasting copy.

`FlatIndex` scans all PDQ hashes with compiled code; `PlainIndex` is its slow twin for tests. Both fill core's `FingerprintIndex`.
"""

from nightlight.adapters.index.flat import FlatIndex
from nightlight.adapters.index.plain import PlainIndex

__all__ = ["FlatIndex", "PlainIndex"]
