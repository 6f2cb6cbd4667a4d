"""Pages for people: what a visitor may read, from the same gate as every other channel."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from hub.api.auth import ANYONE, COOKIE, authenticate
from hub.api.context import Hub
from hub.api.deps import Connection, TheHub, TheRecords
from hub.api.metrics import DELIVERED
from hub.domain.identity import is_slug
from hub.domain.queries import ReadingQuery
from hub.domain.sensing import ResultKind
from hub.domain.sharing import Principal
from hub.errors import BadRequest, NotAuthenticated, NotFound, NotPermitted
from hub.sharing import gate
from hub.storage import registry
from hub.storage.pool import Db
from hub.web import views, wording

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"
FORM_BYTES = 4_096  # a key has 53 characters

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
}

_ENDED = "Your key is no longer valid, so you have been signed out."
_WRONG = "This key is not valid: it is mistyped, revoked or expired, or belongs to another hub."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at the page; `was_signed_in` where the cookie holds a key that has ended."""

    principal: Principal
    was_signed_in: bool = False


async def _visitor(request: Request, hub: TheHub, db: Connection) -> Visitor:
    try:
        return Visitor(await authenticate(db, request.cookies.get(COOKIE), hub.now()))
    except NotAuthenticated:
        return Visitor(ANYONE, was_signed_in=True)


TheVisitor = Annotated[Visitor, Depends(_visitor)]


async def _form(request: Request) -> dict[str, str]:
    """Read a short form; the framework's own reader would take one of any length."""
    _refuse_strangers(request)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES:
            raise BadRequest(f"the form is longer than {FORM_BYTES} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _refuse_strangers(request: Request) -> None:
    """Let no other site sign somebody in or out: browsers say where a form was sent from."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotPermitted("this form can be sent from the hub's own page only")


# First among a handler's parameters: a slow sender must not hold a database connection.
TheForm = Annotated[dict[str, str], Depends(_form)]


@dataclass(frozen=True, slots=True)
class Page:
    """What every page needs to be drawn."""

    request: Request
    hub: Hub
    db: Db
    records: gate.Records


async def _page(request: Request, hub: TheHub, db: Connection, records: TheRecords) -> Page:
    return Page(request, hub, db, records)


ThePage = Annotated[Page, Depends(_page)]


@router.api_route("/", methods=["GET", "HEAD"])
async def front(
    page: ThePage,
    visitor: TheVisitor,
    feed: str | None = None,
    coloured: Annotated[str | None, Query(alias="map")] = None,
) -> Response:
    """Show one feed, by default the first that the visitor may read."""
    message = _ENDED if visitor.was_signed_in else ""
    response = await _draw(page, visitor.principal, feed, coloured, message=message)
    if visitor.was_signed_in:
        _forget(response, page.hub)
    return response


@router.post("/session")
async def sign_in(form: TheForm, page: ThePage, visitor: TheVisitor) -> Response:
    """Put a key that is valid into the cookie; show the form again for any other."""
    key, feed = form.get("key", "").strip(), form.get("feed", "")
    try:
        await authenticate(page.db, key, page.hub.now())
    except NotAuthenticated:
        response = await _draw(page, visitor.principal, None, None, refused=_WRONG, status=401)
        response.headers["WWW-Authenticate"] = 'Bearer realm="stadsnav"'
        return response
    response = _to_front(feed)
    response.set_cookie(
        COOKIE, key, httponly=True, samesite="strict", secure=page.hub.secure_cookies, path="/"
    )
    return response


@router.get("/session")
async def reloaded() -> Response:
    """Lead back whoever reloads the address that a refused form has left behind."""
    return _to_front("")


@router.post("/session/end")
async def sign_out(_form: TheForm, hub: TheHub) -> Response:
    response = _to_front("")
    _forget(response, hub)
    return response


@router.get("/favicon.ico")
async def favicon() -> Response:
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


def install(app: FastAPI) -> None:
    """Serve the pages and what they are made of."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


async def _draw(
    page: Page,
    who: Principal,
    feed: str | None,
    coloured: str | None,
    *,
    message: str = "",
    refused: str = "",
    status: int = 200,
) -> Response:
    grants = await gate.readable(page.records, who, page.hub.now())
    names = await _names(page.db)
    wanted = feed if feed is not None else (grants[0].feed.id if grants else None)
    view = None
    if wanted is not None:
        try:
            view = await _feed(page, who, wanted, coloured, names)
        except (NotAuthenticated, NotFound, NotPermitted):
            status = 404
    html = _TEMPLATE.render(
        tabs=views.tabs(grants, wanted, names),
        wanted=wanted,
        view=view,
        anonymous=who.is_anonymous,
        organisation=names.organisations.get(who.organisation, who.organisation),
        message=message,
        refused=refused,
        now=page.hub.now(),
        clock=wording.clock(page.hub.now()),
        flags=wording.FLAGS,
        version=page.hub.version,
        assets=_ASSETS,
    )
    return HTMLResponse(html, status, SECURITY_HEADERS)


async def _feed(
    page: Page, who: Principal, feed: str, coloured: str | None, names: views.Names
) -> views.FeedView:
    now = page.hub.now()
    opened = await gate.open_feed(page.records, who, feed, now)
    asked = ReadingQuery(datastreams=frozenset(s.id for s in views.shown(opened)))
    query, rows = await gate.latest(page.records, opened, asked, now)
    DELIVERED.labels("page").inc(len(rows))
    origin = str(page.request.base_url).rstrip("/")
    moment = views.Moment(opened, rows, query.resolution, now, who, coloured, origin)
    return views.feed_view(moment, names)


async def _names(db: Db) -> views.Names:
    properties = await registry.properties(db)
    return views.Names(
        {row["id"]: row["name"] for row in await registry.organisations(db)},
        {row["id"]: row["name"] for row in properties},
        frozenset(row["id"] for row in properties if row["kind"] == ResultKind.TEXT),
    )


def _to_front(feed: str) -> RedirectResponse:
    where = "/?" + urlencode({"feed": feed}) if is_slug(feed) else "/"
    return RedirectResponse(where, 303, {"Cache-Control": "no-store"})


def _forget(response: Response, hub: Hub) -> None:
    response.delete_cookie(
        COOKIE, path="/", httponly=True, samesite="strict", secure=hub.secure_cookies
    )


def _fingerprint() -> str:
    """Name the static files by what is in them, so that a browser never mixes two releases."""
    content = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


_ASSETS = _fingerprint()
_TEMPLATE = Environment(
    loader=PackageLoader("hub.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("page.html")
