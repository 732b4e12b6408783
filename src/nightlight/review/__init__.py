"""Where people look and decide: cases, queues, verdicts, appeals, and budgets that limit what a reviewer is exposed to in a day.

What may live here: the rules by which a case is ordered, taken, decided and appealed, as values and pure functions over `core.case`.
Pages belong to `web.console`, rows to `adapters`, which get these rules as a `core.desk.Rulebook`. Nothing here judges a person: a
verdict is something a person gives.
"""

from nightlight.review.book import ReviewRules
from nightlight.review.priority import URGENT_WITHIN, weigh

__all__ = ["URGENT_WITHIN", "ReviewRules", "weigh"]
