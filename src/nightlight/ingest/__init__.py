"""Wire payload -> `Event`: decoding, validation, limits and pseudonyms.

What may live here: whatever stands between bytes that a service sent and an event that every other room may trust.
No I/O, no clock but the `now` that is handed in, and no opinion about risk. An error names the field and what is allowed
there; it never repeats a value, because a value may be what a child wrote.
"""

from nightlight.ingest.check import check
from nightlight.ingest.decode import decode, decode_batch
from nightlight.ingest.limits import DEFAULT_LIMITS, Limits
from nightlight.ingest.pseudonyms import pseudonymise

__all__ = ["DEFAULT_LIMITS", "Limits", "check", "decode", "decode_batch", "pseudonymise"]
