"""Every family page, in one list."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from nightlight.web.components.pages import COMPONENT_ROUTES
from nightlight.web.family.help import HELP_ROUTES
from nightlight.web.family.hub import HUB_ROUTES
from nightlight.web.family.material import MATERIAL_ROUTES
from nightlight.web.family.pages import SHARED_ROUTES
from nightlight.web.family.protect import PROTECT_ROUTES

FAMILY_ROUTES: tuple[HTTPRouteHandler, ...] = (
    *SHARED_ROUTES,
    *PROTECT_ROUTES,
    *HUB_ROUTES,
    *MATERIAL_ROUTES,
    *HELP_ROUTES,
    *COMPONENT_ROUTES,
)
