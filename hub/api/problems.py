"""What does HTTP call what went wrong? Problem details (RFC 9457) for every error."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from hub import errors

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[errors.StadsnavError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotPermitted: HTTPStatus.FORBIDDEN,
    errors.OutsideGrant: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BatchRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
}

# What the store says of itself is for our log: the caller can only wait.
_OPAQUE = {
    errors.StoreUnavailable: "the database does not answer at the moment; try again in a while",
    errors.BatchRefused: "the store cannot hold this value",
}


def problem(
    status: int, detail: str, *, kind: str | None = None, headers: dict[str, str] | None = None,
    **members: Any,  # noqa: ANN401  any JSON
) -> JSONResponse:  # fmt: skip
    """Return an error body; `members` are added to it as they are."""
    title = HTTPStatus(status).phrase
    kind = kind or title.lower().replace(" ", "-")
    content = {
        "type": f"urn:stadsnav:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        **members,
    }
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of this application with a problem."""
    app.add_exception_handler(errors.StadsnavError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.StadsnavError)  # noqa: S101  as registered
    status = STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    detail = _OPAQUE.get(type(error), str(error))
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="stadsnav"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
        log.warning("%s %s: %s", request.method, request.url.path, error)
    kind = "outside-grant" if isinstance(error, errors.OutsideGrant) else None
    return problem(status, detail, kind=kind, headers=headers)


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as registered
    faults = [
        {"parameter": ".".join(str(part) for part in fault["loc"][1:]), "message": fault["msg"]}
        for fault in error.errors()
    ]
    told = "; ".join(f"{fault['parameter']}: {fault['message']}" for fault in faults)
    return problem(HTTPStatus.BAD_REQUEST, told, errors=faults)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  as registered
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "there is nothing here; /docs shows what there is"
    return problem(error.status_code, detail, headers=dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the hub failed; the failure is in its log")
