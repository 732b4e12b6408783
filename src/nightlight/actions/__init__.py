"""Actions: a Decision's actions become effects, as values to be committed together with it.

What may live here: for each action what performs it and its simulated twin, which says what would happen and does nothing
(`registry`), the effects of a whole decision (`effects`), and the bodies of the messages that leave (`messages`). Nothing here
sends, stores or reads a clock: the store commits the effects, and an adapter delivers what leaves.
"""

from nightlight.actions.effects import Effects, plan, simulate
from nightlight.actions.registry import ENFORCEMENT, HANDLERS, Handler

__all__ = ["ENFORCEMENT", "HANDLERS", "Effects", "Handler", "plan", "simulate"]
