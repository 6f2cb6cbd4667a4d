"""How is the database reached, and what do its errors mean to the hub?"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Protocol

import asyncpg

from hub.errors import BatchRefused, ConfigurationError, StoreUnavailable
from hub.storage.rights import Role, take_on

CONNECT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 60

# Our questions are short: compiling one over many chunks took 750 of its 753 ms.
_SESSION = {"application_name": "stadsnav", "timezone": "UTC", "jit": "off"}

Record = Any  # asyncpg.Record: a row by name and by position


class Db(Protocol):
    """What storage functions need of a connection: asyncpg's own methods."""

    async def execute(self, query: str, *args: object) -> str: ...
    async def fetch(self, query: str, *args: object) -> list[Record]: ...
    async def fetchrow(self, query: str, *args: object) -> Record | None: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...  # noqa: ANN401
    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Any,  # noqa: ANN401
        columns: Any = None,  # noqa: ANN401
    ) -> str: ...
    def transaction(self, **options: Any) -> Any: ...  # noqa: ANN401
    async def add_listener(self, channel: str, callback: Any) -> None: ...  # noqa: ANN401


# The server is there but cannot serve now: starting, stopping, full, out of connections or space,
# being restored, or it cancelled us. Time heals these; a different batch would meet the same.
_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver says when it is cut off in the middle of a reply
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # and ObjectInUse, LockNotAvailable below it
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


# What was sent can never be stored. The driver's own refusal to encode a value is a ValueError.
_LASTING = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into the hub's: gone for now, or never to be had."""
    try:
        yield
    except (
        ssl.SSLError
    ) as error:  # one about certificates is a ValueError too, but no batch's fault
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
    except _LASTING as error:
        raise BatchRefused(str(error)) from error
    except _PASSING as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


class Store:
    """A pool of connections to one database."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Db]:
        """Lend a connection; driver errors within become the hub's."""
        with translated():
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as db:
                yield db


@asynccontextmanager
async def open_store(
    url: str, *, size: int = 10, wait_s: float = 0, role: Role | None = None
) -> AsyncIterator[Store]:
    """Open a pool; wait up to `wait_s` for a database that is not there yet.

    With a `role` its connections have the rights of that role only.

    Raises StoreUnavailable when it does not come, ConfigurationError when it never will.
    """
    pool = await _patiently(url, size, wait_s, role)
    try:
        yield Store(pool)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await pool.close()
        pool.terminate()


async def _patiently(url: str, size: int, wait_s: float, role: Role | None) -> Any:  # noqa: ANN401
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            return await _pool(url, size, role)
        except StoreUnavailable:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(0.5)


async def _pool(url: str, size: int, role: Role | None) -> Any:  # noqa: ANN401
    with translated(), refused_for_good():
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            init=None if role is None else partial(take_on, role=role),
            server_settings=_SESSION,
        )


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Db]:
    """Open one connection outside any pool, for migrations, checks and bells."""
    with translated(), refused_for_good():
        db = await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_S,
            server_settings=_SESSION,
        )
    try:
        with translated():
            yield db
    finally:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError):
            await db.close(timeout=2)


@contextmanager
def refused_for_good() -> Iterator[None]:
    """Turn what no waiting mends into one line that says what to do."""
    try:
        yield
    except asyncpg.InvalidCatalogNameError as error:
        raise ConfigurationError(
            f"{error}: create it with `createdb`, or correct STADSNAV_DATABASE_URL"
        ) from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise ConfigurationError(
            f"the database refused the user of STADSNAV_DATABASE_URL: {error}"
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"the database's certificate is refused ({error.verify_message}): name who signed it "
            "by sslrootcert in STADSNAV_DATABASE_URL, and the database by a host that it is for"
        ) from error
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise ConfigurationError(
            f"STADSNAV_DATABASE_URL cannot be read ({error}); write it as "
            "postgresql://user:password@host:5432/database"
        ) from error
