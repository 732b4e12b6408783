"""What keeps a child safe before anything has happened: defaults by age band, gates on contact and recommendation, deterrence,
help and material for families.

What may live here: rules that a service asks before it connects, recommends or shows, as pure functions over `core` types, and the
words of messages that a child, a parent or a sender reads. Nothing here scans content, and no text blames a child.

So far it holds the message catalogue: the words behind the keys that decisions name (`catalogue`, `words/`).
"""

from nightlight.protect.catalogue import LANGUAGES, catalogue

__all__ = ["LANGUAGES", "catalogue"]
