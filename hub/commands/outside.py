"""Where are anchors kept, so that whoever changes the audit cannot change them too?

In a file, a line each, that is only ever added to (`chattr +a`, a write-once volume, a record
office); or at a URL, an object each, that is written once: `PUT {url}/1.json`, `{url}/2.json`, …
with `If-None-Match: *`, read again by GET. WebDAV, object stores and a page of code can do that.
"""

import asyncio
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from hub.domain.anchors import Anchor, parse_anchor
from hub.errors import ConfigurationError, OutsideFailed

TIMEOUT_S = 10.0
LINE_BYTES = 10_000  # an anchor has less than 500


class Outside(Protocol):
    """A place outside of the hub's database."""

    async def after(self, number: int) -> list[Anchor]:
        """Return the anchors with higher numbers, in their order."""

    async def newest(self) -> int:
        """Return the number of the newest anchor, 0 where there is none."""

    async def write(self, new: Anchor) -> None:
        """Add an anchor for good. Raises OutsideFailed."""


def outside_at(address: str, token: str | None = None) -> Outside:
    """Return the place that an address names: http(s)://… or a file."""
    scheme, found, _ = address.partition("://")
    if not found:
        return AnchorFile(Path(address))
    if scheme not in ("http", "https") or not urllib.parse.urlsplit(address).hostname:
        raise ConfigurationError(
            f"anchors are kept in a file or at https://…, not at {address[:80]!r}"
        )
    return AnchorUrl(address.rstrip("/"), token)


class AnchorFile:
    """A file that is only ever added to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def after(self, number: int) -> list[Anchor]:
        return [anchor for anchor in self._read() if anchor.number > number]

    async def newest(self) -> int:
        return max((anchor.number for anchor in self._read()), default=0)

    async def write(self, new: Anchor) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, f"{new.line}\n".encode())
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise OutsideFailed(f"cannot write anchor {new.number}: {error}") from error

    def _read(self) -> list[Anchor]:
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise OutsideFailed(f"cannot read {self._path}: {error}") from error
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(parse_anchor(line))
            except ValueError as error:
                raise OutsideFailed(
                    f"line {number} of {self._path}: {error}; was it cut off by a full disk, or "
                    "changed?"
                ) from error
        return found


class AnchorUrl:
    """Objects below a URL, each written once."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def after(self, number: int) -> list[Anchor]:
        found = []
        while (anchor := await self._get(number + 1)) is not None:
            found.append(anchor)
            number += 1
        return found

    async def newest(self) -> int:
        """Look for the end in steps that double, then halve: they have no gaps."""
        there, absent = 0, 1
        while await self._get(absent) is not None:
            there, absent = absent, absent * 2
        while absent - there > 1:
            middle = (there + absent) // 2
            if await self._get(middle) is None:
                absent = middle
            else:
                there = middle
        return there

    async def write(self, new: Anchor) -> None:
        headers = {"Content-Type": "application/json", "If-None-Match": "*"}
        await self._ask(new.number, method="PUT", data=new.line.encode(), headers=headers)

    async def _get(self, number: int) -> Anchor | None:
        body = await self._ask(number)
        if body is None:
            return None
        try:
            return parse_anchor(body.decode())
        except ValueError as error:
            raise OutsideFailed(f"{self._at(number)}: {error}") from error

    def _at(self, number: int) -> str:
        return f"{self._url}/{number}.json"

    async def _ask(
        self,
        number: int,
        *,
        method: str = "GET",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes | None:
        """Return the body of the answer, None for 404 to a GET."""
        request = urllib.request.Request(  # noqa: S310  http(s) only, see outside_at
            self._at(number), data, {**self._headers, **(headers or {})}, method=method
        )
        try:
            return await asyncio.to_thread(_body, request)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == HTTPStatus.NOT_FOUND and method == "GET":
                    return None
                told = f"{method} {self._at(number)} was answered {error.code} {error.reason}"
            raise OutsideFailed(told) from error
        except (OSError, HTTPException, ValueError) as error:
            raise OutsideFailed(f"{method} {self._at(number)} failed: {error}") from error


def _body(request: urllib.request.Request) -> bytes:
    with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
        body: bytes = answer.read(LINE_BYTES)
    return body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token along to whoever it leads to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)
