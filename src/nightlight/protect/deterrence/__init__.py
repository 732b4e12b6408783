"""Turning people away from searching for child sexual abuse material, and to help.

`terms.py` makes keyed hashes of restricted terms and finds them in a search; `table.py` reads what each category is answered with;
`sequential.py` is the statistics of trials of message variants, and `trials.py` the report. All of it is pure: no store, no clock.
"""

from nightlight.protect.deterrence.sequential import Judgement, judge, newcombe, per_arm, wilson
from nightlight.protect.deterrence.table import AnswerTable, Category, load_table, shipped_table
from nightlight.protect.deterrence.terms import Entry, Hasher, Snapshot, read_terms
from nightlight.protect.deterrence.trials import TrialReport, report_on

__all__ = [
    "AnswerTable",
    "Category",
    "Entry",
    "Hasher",
    "Judgement",
    "Snapshot",
    "TrialReport",
    "judge",
    "load_table",
    "newcombe",
    "per_arm",
    "read_terms",
    "report_on",
    "shipped_table",
    "wilson",
]
