"""Signals become Assessments: fused, fading with time, monotone in the evidence, and placed on levels an operator can afford.

Pure functions only; nothing here reads a clock or a store.
"""

from nightlight.assess.capacity import Capacity, Plan, plan_levels
from nightlight.assess.fuse import HALF_LIFE, assess

__all__ = ["HALF_LIFE", "Capacity", "Plan", "assess", "plan_levels"]
