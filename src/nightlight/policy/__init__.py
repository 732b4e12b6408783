"""Policy: the jurisdiction gate, and assessments and rules -> Decision.

What may live here: the table of jurisdictions and the gate that reads it (`gate/`); rule sets as data (`rules`), the language of
their conditions (`schema`, `cel`) and the check that keeps a wrong one from going live (`check`); the engine that turns what an
event moved into a Decision (`engine`), what each party is told of it (`instructions`), and how two rule sets differ (`shadow`,
`replay`). Everything is a pure function of what it is given: no clock, no I/O, no state but compiled rules.
"""

from nightlight.policy.check import PolicyError, Problem, check, default_rules, load_rules
from nightlight.policy.engine import Policy
from nightlight.policy.gate import DEMO_PLACE, JurisdictionGate, load_table
from nightlight.policy.instructions import instruct
from nightlight.policy.judged import Judged, in_force
from nightlight.policy.replay import Comparison, replay
from nightlight.policy.rules import On, Rule, RuleSet, Trigger
from nightlight.policy.shadow import Difference, compare

__all__ = [
    "DEMO_PLACE",
    "Comparison",
    "Difference",
    "Judged",
    "JurisdictionGate",
    "On",
    "Policy",
    "PolicyError",
    "Problem",
    "Rule",
    "RuleSet",
    "Trigger",
    "check",
    "compare",
    "default_rules",
    "in_force",
    "instruct",
    "load_rules",
    "load_table",
    "replay",
]
