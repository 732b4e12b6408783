"""Token buckets in memory: how many requests a key, or a client address, may make."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from msgspec import Struct


class Spent(Struct, frozen=True):
    """What one request did to its bucket."""

    allowed: bool
    limit: int
    """Requests a minute, or whatever the window is."""
    remaining: int
    wait_s: int
    """Whole seconds until the next request is allowed; 0 where one is left."""

    window_s: float = 60.0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10)."""
        return [
            (b"ratelimit-policy", f'"default";q={self.limit};w={self.window_s:.0f}'.encode()),
            (b"ratelimit", f'"default";r={self.remaining};t={self.wait_s}'.encode()),
        ]


class Bucket(Struct):
    tokens: float
    at: float


class Buckets:
    """One bucket a name. A bucket holds a share of a window's requests, so a burst passes and a flood does not.

    Bounded: the longest unused are forgotten, which hands a stranger a fresh bucket and never takes one from anybody.
    """

    SHARE = 1 / 6  # ten seconds' worth at once

    def __init__(self, most: int = 10_000, now: Callable[[], float] = monotonic, *, window_s: float = 60.0, share: float = SHARE) -> None:
        self._window_s, self._share = window_s, share
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._most = most
        self._now = now

    def spend(self, name: str, limit: int) -> Spent:
        """Take one token from the bucket of `name`."""
        now = self._now()
        size = max(1.0, limit * self._share)
        rate = max(limit, 1) / self._window_s
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(size, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        bucket.tokens = min(size, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        wait = 0 if bucket.tokens >= 1 else math.ceil((1 - bucket.tokens) / rate)
        return Spent(allowed, limit, int(bucket.tokens), wait, self._window_s)

    def __len__(self) -> int:
        return len(self._buckets)
