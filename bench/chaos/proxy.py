"""Stand between two processes and cut, stall or refuse what passes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 65_536


class Proxy:
    """Forwards until told otherwise.

    `stalled`: nothing passes, connections stay open, as behind a firewall that forgot them.
    `cut()`: every connection is reset and new ones are refused until `heal()`.
    """

    def __init__(self, connect: Callable[[], Awaitable[Stream]]) -> None:
        self._connect = connect
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._open: set[asyncio.StreamWriter] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client for as long as both sides want."""
        if self._refusing:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer), name="there")
                group.create_task(self._pump(far_reader, writer), name="back")
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, far_writer):
                self._open.discard(end)
                _reset(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError  # one side has gone, so the other goes too

    def stall(self) -> None:
        self._flowing.clear()

    def cut(self) -> None:
        self._refusing = True
        for writer in list(self._open):
            _reset(writer)

    def heal(self) -> None:
        self._refusing = False
        self._flowing.set()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        writer.transport.abort()


@asynccontextmanager
async def tcp_proxy(port: int, to: int) -> AsyncIterator[Proxy]:
    """Listen on 127.0.0.1:port and forward to 127.0.0.1:to."""
    proxy = Proxy(lambda: asyncio.open_connection("127.0.0.1", to))
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", port)
    async with _serving(server, proxy):
        yield proxy


@asynccontextmanager
async def unix_proxy(socket: Path, to: Path) -> AsyncIterator[Proxy]:
    """Listen on one Unix socket and forward to another."""
    proxy = Proxy(lambda: asyncio.open_unix_connection(str(to)))
    server = await asyncio.start_unix_server(proxy.accept, str(socket))
    async with _serving(server, proxy):
        yield proxy


@asynccontextmanager
async def _serving(server: asyncio.Server, proxy: Proxy) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()
        proxy.heal()
        proxy.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await server.wait_closed()
