"""The shared language: types, harms, ports, clock and ids.

Every room imports this one and this one imports nobody: only the standard library and msgspec live here.
Types are frozen; anything that does I/O is a Protocol that `app` fills in.
"""
