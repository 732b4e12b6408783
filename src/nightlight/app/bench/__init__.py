"""Measurements behind `nightlight bench ...`: each in one run with what it is compared with beside it.

Ratios are what is tracked: machines differ and are shared.
"""
