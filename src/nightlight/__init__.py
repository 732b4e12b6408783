"""Nightlight: the open child-safety stack.

`nightlight.open()` gives the whole engine to Python code; the command line and the HTTP service are built on the same graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nightlight.app.library import open as open  # noqa: A004

__all__ = ["__version__", "open"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazy, so that `import nightlight.core` in a detector's test never drags in the database or the web server.
    if name == "open":
        from nightlight.app.library import open as opener

        return opener
    raise AttributeError(f"module 'nightlight' has no attribute {name!r}")
