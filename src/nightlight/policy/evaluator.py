"""The evaluator of CEL, loaded without the interactive command line that its package imports with itself.

That one brings a prompt toolkit and takes 0.15 s of every start; nothing of the evaluator uses it.
"""

from __future__ import annotations

import sys
from types import ModuleType

_COMMAND_LINE = "cel.cli"

if "cel" in sys.modules:
    import cel
else:
    _before = sys.modules.setdefault(_COMMAND_LINE, ModuleType(_COMMAND_LINE))
    import cel

    # Whoever wants the command line itself still gets it.
    if not hasattr(_before, "__file__"):
        del sys.modules[_COMMAND_LINE]
        vars(cel).pop("cli", None)

__all__ = ["cel"]
