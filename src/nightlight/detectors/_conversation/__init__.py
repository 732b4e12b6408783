"""The fold that the detectors of conversations share: what one side shows another, for one harm. No detector itself, so it has no `build`.

It is the one thing that detectors may share (`docs/decisions/0010-one-fold-for-conversations.md`).
"""

from .circumstances import Circumstance
from .fold import ConversationFold
from .states import Side, Talk, short
from .weights import Weight

__all__ = ["Circumstance", "ConversationFold", "Side", "Talk", "Weight", "short"]
