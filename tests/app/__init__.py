"""Tests of `nightlight.app`."""
