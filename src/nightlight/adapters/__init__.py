"""Engines behind the ports of `core`: the database, the sealer, the fingerprint index, webhooks.

What may live here: code that talks to a database, a file, a network or a heavy library so that no other room has to. Each
adapter implements a Protocol of `core`, and one test suite runs over all implementations of that Protocol. Rooms never import
an adapter: `app` builds it and hands it in.
"""
