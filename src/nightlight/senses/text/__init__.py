"""The text sense: what a person wrote, made comparable, and the cues it shows.

`fold.py` makes writing comparable and keeps the way back to the original characters; `phrases.py` is the small language in which
`cues.toml` says what to look for; `automaton.py` finds every phrase in one pass; `unmask.py` undoes disguised spelling;
`lexicon.py` joins these; `sensor.py` is the door. Whatever reads text without a model lives here; what a cue is worth is for detectors.
"""

from nightlight.senses.text.sensor import TextSensor

__all__ = ["TextSensor"]
