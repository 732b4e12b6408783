"""Tests mirror `src/nightlight`. What they share lives here: hypothesis strategies in `tests.strategies`."""
