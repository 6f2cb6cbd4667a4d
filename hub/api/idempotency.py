"""A request that is repeated with its Idempotency-Key is answered as it was the first time."""

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import Header, Request
from fastapi.responses import Response

from hub.errors import Conflict
from hub.storage import idempotency
from hub.storage.pool import Db

IdempotencyKey = Annotated[
    str | None,
    Header(max_length=200, description="any text of yours; a repeated request changes nothing"),
]


async def once(
    request: Request,
    db: Db,
    actor: str,
    key: str | None,
    work: Callable[[], Awaitable[Any]],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    remembered: Callable[[Any], Any] = lambda answer: answer,
) -> Response:
    """Do the work in a transaction, at most once per key of an actor, and answer with its JSON.

    Only what succeeded is remembered: a refused request changed nothing and may be tried again.
    What is kept is the answer as `remembered` returns it, which leaves out what is shown once.
    Raises Conflict where the same key came with another request.
    """
    async with db.transaction():
        digest = await _digest(request)
        if key is not None:
            known = await idempotency.find(db, actor, key)
            if known is not None:
                if known.request != digest:
                    raise Conflict("this Idempotency-Key was used for another request already")
                return _answer(known.body.encode(), known.status)
        answer = await work()
        body = orjson.dumps(answer)
        if key is not None:
            kept = orjson.dumps(remembered(answer)).decode()
            answered = idempotency.Answered(digest, status, kept)
            await idempotency.remember(db, actor, key, answered)
    return _answer(body, status)


async def _digest(request: Request) -> bytes:
    told = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(told + await request.body()).digest()


def _answer(body: bytes, status: int) -> Response:
    return Response(body, status, media_type="application/json")
