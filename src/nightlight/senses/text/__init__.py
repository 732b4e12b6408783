"""The text sense: what a person wrote, made comparable, and the cues it shows.

`fold.py` makes writing comparable and keeps the way back to the original characters; `phrases.py` is the small language in which
`cues.toml` says what to look for; `automaton.py` finds every phrase in one pass; `unmask.py` undoes disguised spelling, as words of
`known.py`; `lexicon.py` joins these. `hashed.py`, `meaning.py` and `heads.py` are the learned tiers: cheap features and a static table
on every message, the encoder where a detector wants it. `sensor.py` is the door. What a cue is worth is for detectors.
"""

from nightlight.senses.text.sensor import MeaningSensor, TextSensor

__all__ = ["MeaningSensor", "TextSensor"]
