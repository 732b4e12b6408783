"""What happens to stored things with time, by law or by accident: retention, erasure, export, backup and restore.

Each is one module over the tables of `adapters.store`; `Lifecycle` is what the command line calls. Everything here is done in
bounded steps, so that the service goes on beside it, and every step leaves its counts in the audit chain.
"""

from nightlight.adapters.lifecycle.backup import Manifest, restore
from nightlight.adapters.lifecycle.facade import Lifecycle
from nightlight.adapters.lifecycle.persons import Erasure, Kept
from nightlight.adapters.lifecycle.restored import Restored
from nightlight.adapters.lifecycle.retention import Periods

__all__ = ["Erasure", "Kept", "Lifecycle", "Manifest", "Periods", "Restored", "restore"]
