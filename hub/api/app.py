"""The way out: FastAPI over the gate."""

import time

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api import problems
from hub.api.context import Hub
from hub.api.metrics import REQUESTS
from hub.api.routes import (
    access,
    agreements,
    audit,
    broker,
    business_areas,
    devices,
    feeds,
    health,
    operation,
    platforms,
    proposals,
    publishing,
    readings,
)

DESCRIPTION = """\
Live sensor data of a city, shared between its organisations.

Send your key as `Authorization: Bearer stn_…`; open feeds need none. Times are ISO 8601 with
offset, units are UCUM, positions WGS 84 with longitude first. Every error is
`application/problem+json` and says what would be right.
"""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Tells the description of the API how a key is sent; hub.api.auth looks at it.
KEY = HTTPBearer(auto_error=False, scheme_name="key", description="a key, `stn_…`")


def create_app(hub: Hub) -> FastAPI:
    """Build the application around a running hub."""
    app = FastAPIOffline(
        redoc_url=None,
        title="Stadsnav",
        version=hub.version,
        description=DESCRIPTION,
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    app.state.hub = hub
    problems.install(app)
    app.add_middleware(Measured)
    for router in (
        feeds.router,
        publishing.router,
        access.router,
        devices.router,
        readings.router,
        agreements.router,
        audit.router,
        business_areas.router,
        proposals.router,
        platforms.router,
        operation.router,
    ):
        app.include_router(router, dependencies=[Depends(KEY)])
    app.include_router(broker.router)
    app.include_router(health.router)
    return app


class Measured:
    """Time every request until its response begins. Plain ASGI, so that streams stay streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def begin(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                seconds = time.perf_counter() - started
                # The method is the client's word: as it is, it would grow the metrics for ever.
                method = scope["method"] if scope["method"] in METHODS else "other"
                REQUESTS.labels(method, route, str(message["status"])).observe(seconds)
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, begin)
