"""What the fingerprint index and the decoders say of themselves, for Prometheus: read when somebody asks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from nightlight.core.bank import IndexStatus


class Gauges:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._fingerprints = Gauge("nightlight_index_fingerprints", "Fingerprints held in the index", ["kind"], registry=registry)
        self._scanned = Gauge("nightlight_index_scanned_items", "Items that changed since the last merge", registry=registry)
        self._struck = Gauge("nightlight_index_struck_items", "Items gone whose bytes are still in a file", registry=registry)
        self._bytes = Gauge("nightlight_index_file_bytes", "Size of the index's files", registry=registry)
        self._merging = Gauge("nightlight_index_merging", "1 while files are written anew", registry=registry)
        self._trouble = Gauge("nightlight_index_trouble", "1 while a file is damaged or merging fails", registry=registry)
        self._confined = Gauge(
            "nightlight_decoders_confined", "1 for each limit that the system enforces on decoders", ["limit"], registry=registry
        )
        self._replaced = Gauge("nightlight_decoders_replaced", "Decoding processes that ended before their time", registry=registry)

    def index(self, status: IndexStatus) -> None:
        for kind, count in status.fingerprints.items():
            self._fingerprints.labels(kind.value).set(count)
        self._scanned.set(status.scanned)
        self._struck.set(status.struck)
        self._bytes.set(status.file_bytes)
        self._merging.set(status.merging)
        self._trouble.set(status.trouble is not None)

    def decoders(self, enforced: tuple[str, ...], replaced: int) -> None:
        for limit in enforced:
            self._confined.labels(limit).set(1)
        self._replaced.set(replaced)
