"""Tests of `nightlight.ingest`: what a service sends, well-formed and otherwise."""
