"""Notices that what listens at an address was away and is back, without saying a word to it.

Whoever refused a password is asked again ever more seldom: many cameras lock out who gives a wrong one too
often, some after five times. But one that was started anew may have the right one: it may be asked at once.
"""

import asyncio
import socket

POLL_S = 0.25
"""Between two looks at what is away, or hangs up."""
CONNECT_S = 2.0


async def wait_until_restarted(host: str, port: int) -> None:
    """Wait until what listens there has gone and come back. That it closes an idle connection is no sign."""
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
            away = True  # it does not know this connection any more
        finally:
            writer.transport.abort()
        # The first look after a farewell is at once: it may be away for a moment only.
        if hasty:
            await asyncio.sleep(POLL_S)
        hasty = asyncio.get_running_loop().time() - begun_s < POLL_S


def _ask_for_life(writer: asyncio.StreamWriter) -> None:
    """Have the kernel notice a camera whose power was cut, and which says no farewell."""
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
        end.setsockopt(socket.IPPROTO_TCP, option, value)
