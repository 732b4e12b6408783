"""Where people look and decide: cases, queues, verdicts, appeals, and budgets that limit what a reviewer is exposed to in a day.

What may live here: the rules by which a case is opened, merged, ordered, taken, decided and appealed, as values and pure functions
over `core.case`. Pages belong to `web.console`, rows to `adapters`. Nothing here judges a person: a verdict is something a person gives.

The room holds no code yet: opening and merging a case is part of the pipeline's one transaction, behind `core.ports.CaseOpening`.
"""
