"""Detection of a service that was away and is back, without a request to it.

After a refused password, the gateway retries at growing intervals: many cameras lock out a client after wrong
passwords, some after five. A restarted camera may accept the password, so a retry is worthwhile at once.
"""

import asyncio
import socket

POLL_S = 0.25
"""Pause between two polls of a service that is away, or closes connections."""
CONNECT_S = 2.0


async def wait_until_restarted(host: str, port: int) -> None:
    """Wait until the service was away and is back. The close of an idle connection is no sign of it."""
    away = hasty = False
    while True:
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            away = True
            await asyncio.sleep(POLL_S)
            continue
        begun_s = asyncio.get_running_loop().time()
        try:
            if away:
                return
            _ask_for_life(writer)
            while await reader.read(4096):
                pass
        except OSError:
            away = True  # the host no longer knows this connection
        finally:
            writer.transport.abort()
        # The first poll after a close is at once: the service may be away for a moment only.
        if hasty:
            await asyncio.sleep(POLL_S)
        hasty = asyncio.get_running_loop().time() - begun_s < POLL_S


def _ask_for_life(writer: asyncio.StreamWriter) -> None:
    """Enable TCP keepalive: a camera whose power was cut does not close its connection."""
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
        end.setsockopt(socket.IPPROTO_TCP, option, value)
