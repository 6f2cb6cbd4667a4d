"""What handlers ask for, in words that read like English."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from hub.api.auth import authenticate, key_of
from hub.api.context import Hub
from hub.domain.sharing import Principal
from hub.storage.pool import Db
from hub.storage.records import Records


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def _connection(hub: Annotated[Hub, Depends(_hub)]) -> AsyncIterator[Db]:
    async with hub.store.connection() as db:
        yield db


# Given back before the response is written: a slow client must not hold a connection.
Connection = Annotated[Db, Depends(_connection, scope="function")]


async def _records(db: Connection, hub: Annotated[Hub, Depends(_hub)]) -> AsyncIterator[Records]:
    async with hub.replica.rows(db) as rows:
        yield Records(db, rows, hub.archive, hub.reads)


async def _principal(
    request: Request,
    hub: Annotated[Hub, Depends(_hub)],
    db: Connection,
) -> Principal:
    return await authenticate(db, key_of(request), hub.now())


TheHub = Annotated[Hub, Depends(_hub)]
TheRecords = Annotated[Records, Depends(_records, scope="function")]
Caller = Annotated[Principal, Depends(_principal)]
FeedId = Annotated[str, Path(description="id of a feed, as `GET /api/v1/feeds` lists them")]
