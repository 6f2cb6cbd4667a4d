"""What have the devices done so far, and what is still waiting to be sent?"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """What all devices together have done; it tells when all are there and when one is cut off."""

    def __init__(self, devices: int, tell: Callable[[str], object]) -> None:
        self.connected = 0
        self.acknowledged = 0
        self.dropped = 0
        self._devices = devices
        self._tell = tell
        self._complete = False
        self._in_trouble = False

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a connection for as long as it lasts."""
        self.connected += 1
        if self.connected == self._devices and (self._in_trouble or not self._complete):
            self._tell(f"{self._devices} devices connected")
            self._complete, self._in_trouble = True, False
        try:
            yield
        finally:
            self.connected -= 1

    def failed(self, device: str, error: Exception) -> None:
        """Tell the first failure until all are connected again: two hundred would say the same."""
        if not self._in_trouble:
            self._tell(f"{device} is not connected ({error}); trying again")
        self._in_trouble = True


class Backlog:
    """Messages of one device that wait to be sent; when full the oldest gives way, counted.

    A message that is on its way is out of the backlog, so that it cannot be dropped meanwhile.
    """

    def __init__(self, size: int, progress: Progress) -> None:
        self._size = size
        self._progress = progress
        self._messages: deque[bytes] = deque()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: bytes) -> None:
        if len(self._messages) >= self._size:
            self._messages.popleft()
            self._progress.dropped += 1
        self._messages.append(message)
        self._news.set()

    def put_back(self, message: bytes) -> None:
        """Take back what could not be sent; if there is no room, it is the oldest, so it goes."""
        if len(self._messages) >= self._size:
            self._progress.dropped += 1
            return
        self._messages.appendleft(message)
        self._news.set()

    async def oldest(self) -> bytes:
        """Take out the oldest message; wait for one if there is none."""
        while not self._messages:
            self._news.clear()
            await self._news.wait()
        return self._messages.popleft()
