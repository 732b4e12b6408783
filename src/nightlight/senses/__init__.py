"""The senses: shared work on content, done once an event however many detectors want it.

One folder a kind of content: `text` (normalise, cues), `media` (decode, hash, match). A sense maps a batch of events to `Features`
and decides nothing: what a finding means is for the detectors. Numeric and media libraries may be used here; nothing here does I/O,
but for the fingerprint index that a sensor is handed.
"""
