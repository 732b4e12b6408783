"""Clients of the authorities that reports go to. Each fills `core.filing.Authority`: it makes one call, waits for one answer, and says
what the answer means; what to do next is decided by the pure functions of `core.filing`, and kept before and after by the store."""
