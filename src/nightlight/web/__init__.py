"""The faces of Nightlight: the HTTP API, the pages, and the server that carries them.

`api/` holds the endpoints, `live.py` the plain live page, `family/` the pages for young people, `templates/` and `static/` what pages
are made of, `serve.py` the server.
What lives here reads requests, asks the service Protocols of core, and writes answers. It decides nothing about safety: who may
do what with an account is policy, and this room only carries the instruction. Nothing here may log a body, a header or a name.
"""

from nightlight.web.api import create_app
from nightlight.web.config import FamilyConfig, WebConfig
from nightlight.web.serve import AddressInUse, run_server

__all__ = ["AddressInUse", "FamilyConfig", "WebConfig", "create_app", "run_server"]
