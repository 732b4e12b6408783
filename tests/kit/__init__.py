"""Tests of the kit: every law is shown to fail on a detector broken in just that way."""
