"""Logs: one JSON object a line on standard error, names and numbers only. Raw content never reaches one."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure() -> None:
    """Set up structlog, unless the program that uses us as a library has done so already."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )


def _to_stderr(*_: Any) -> Any:
    # Looked up at each use: whoever redirects standard error later is heard. Never standard output, which scripts read.
    return structlog.PrintLogger(sys.stderr)
