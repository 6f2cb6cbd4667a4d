"""Which ports of this machine are free?"""

import asyncio
import socket

from hub.errors import ConfigurationError

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def answers(port: int, host: str = HOST) -> bool:
    """Tell whether somebody listens on a port."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def check_port_is_free(port: int, variable: str) -> None:
    """Raise ConfigurationError, naming the setting, if somebody listens on this port already."""
    if await answers(port):
        raise ConfigurationError(
            f"port {port} is taken by another program: stop it, or set {variable} to a free port"
        )
