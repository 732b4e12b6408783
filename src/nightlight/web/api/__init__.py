"""The HTTP API: one module a group of endpoints, `wire.py` for bodies of its own, `openapi.py` for the published description.

`create_app` is the only door. A handler reads, asks a service and encodes; it holds no state and knows no engine.
"""

from nightlight.web.api.app import create_app

__all__ = ["create_app"]
