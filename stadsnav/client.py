"""Read a city's feeds from Python: pages followed, streams resumed, errors explained."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

RECONNECT_S = 1.0
TIMEOUT_S = 30.0
SILENCE_S = 30.0  # the hub sends a heartbeat every few seconds

Reading = dict[str, Any]


class Problem(Exception):  # noqa: N818  named as RFC 9457 names it
    """The hub refused; `status`, `title` and `detail` are its problem details (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail = status, title, detail


class Event(NamedTuple):
    """Readings that were committed together; `position` is where to resume after them."""

    position: str
    readings: list[Reading]


class Client:
    """A connection to one hub, as one application or, without a key, as anyone.

    `ca_file` names who signed the hub's certificate, where it is nobody whom everyone trusts.
    Readings are dicts as the API gives them: `datastream`, `device`, `property`, `unit`, `time`,
    `position`, and `value` with `quality` or, aggregated, `mean`, `min`, `max` and `count`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        ca_file: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        trusted = True if ca_file is None else ssl.create_default_context(cafile=ca_file)
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=TIMEOUT_S, verify=trusted, transport=transport
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def feeds(self) -> list[dict[str, Any]]:
        """Return the feeds that this client may read. Raises Problem."""
        return list((await self._get("/api/v1/feeds"))["feeds"])

    async def latest(self, feed: str, **query: str | int) -> list[Reading]:
        """Return the newest reading of each datastream. Raises Problem."""
        return list((await self._get(f"/api/v1/feeds/{feed}/latest", query))["readings"])

    async def readings(self, feed: str, **query: str | int) -> AsyncIterator[Reading]:
        """Yield every reading of a range, page by page, by datastream and time.

        `query` as the API has it: `since` (for `from`), `to`, `property`, `resolution`, … Raises
        Problem.
        """
        if "since" in query:
            query["from"] = query.pop("since")
        page = await self._get(f"/api/v1/feeds/{feed}/readings", query)
        while True:
            for reading in page["readings"]:
                yield reading
            if page["next"] is None:
                return
            page = await self._get(page["next"])

    async def stream(
        self, feed: str, *, after: str | None = None, **query: str | int
    ) -> AsyncIterator[Event]:
        """Yield what is stored from now on, or after a position, across broken connections.

        Ends when the right to the feed does. Raises Problem if there is none to begin with.
        """
        position = after
        while True:
            headers = {} if position is None else {"Last-Event-ID": position}
            try:
                async for name, position, data in self._events(feed, headers, query):
                    if name == "readings":
                        yield Event(position, data)
                    elif name == "end":
                        return
            except httpx.TransportError:
                pass  # what was missed meanwhile comes after `position`
            await asyncio.sleep(RECONNECT_S)

    async def _events(
        self, feed: str, headers: dict[str, str], query: dict[str, str | int]
    ) -> AsyncIterator[tuple[str, str, Any]]:
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        path = f"/api/v1/feeds/{feed}/stream"
        async with self._http.stream(
            "GET", path, headers=headers, params=query, timeout=timeout
        ) as answer:
            if answer.is_error:
                await answer.aread()
                raise _problem(answer)
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    yield fields["event"], fields["id"], json.loads(fields["data"])
                    fields = {}

    async def _get(self, url: str, query: dict[str, str | int] | None = None) -> dict[str, Any]:
        # Without parameters the address is taken as it is: `next` carries its own.
        answer = await (self._http.get(url, params=query) if query else self._http.get(url))
        if answer.is_error:
            raise _problem(answer)
        found: dict[str, Any] = answer.json()
        return found


def _problem(answer: httpx.Response) -> Problem:
    try:
        told = answer.json()
    except ValueError:
        return Problem(answer.status_code, answer.reason_phrase, answer.text[:200])
    return Problem(answer.status_code, told.get("title", ""), told.get("detail", ""))
