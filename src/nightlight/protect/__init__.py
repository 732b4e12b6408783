"""What keeps a child safe before anything has happened: defaults by age band, gates on contact and recommendation, deterrence,
help and material for families.

What may live here: rules that a service asks before it connects, recommends or shows, as pure functions over `core` types, and the
words of messages that a child, a parent or a sender reads. Nothing here scans content, and no text blames a child.

`catalogue` and `words/`: the words behind the message keys that decisions name. `interventions`: words at moments of decision, whose
reading level `reading` measures. `defaults/` and `gates/`: settings by age, and who may reach whom. `deterrence/` turns people away from
searches for child sexual abuse material, and to help. `family/` and `helplines`: what the public pages show.
"""

from nightlight.protect.catalogue import LANGUAGES, catalogue
from nightlight.protect.interventions import moments

__all__ = ["LANGUAGES", "catalogue", "moments"]
