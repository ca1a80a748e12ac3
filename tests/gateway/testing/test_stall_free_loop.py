"""Clock of the event loop of the acceptance: it counts the time of waiting, not stalls of its process."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

from support.patience import PATIENCE_S

from gateway.testing.stall_free_loop import TURN_S, run_stall_free

GAP_S = 2 * TURN_S
STALL_S = 5 * TURN_S


def test_time_of_a_stall_is_not_counted() -> None:
    async def stall() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        time.sleep(STALL_S)
        await asyncio.sleep(0)
        return loop.time() - began_s

    assert run_stall_free(stall()) <= 2 * TURN_S


def test_time_of_waiting_is_counted() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began_s, began_real_s = loop.time(), time.monotonic()
        await asyncio.sleep(STALL_S)
        assert time.monotonic() - began_real_s >= STALL_S - TURN_S
        return loop.time() - began_s

    assert run_stall_free(wait()) >= STALL_S


def test_bytes_that_came_in_a_stall_are_no_silence() -> None:
    async def read() -> list[bytes]:
        master, slave = os.openpty()
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(slave, lambda: arrived.put_nowait(os.read(slave, 100)))
        found = []

        async def chunks() -> AsyncIterator[bytes]:
            while True:
                async with asyncio.timeout(GAP_S):
                    yield await arrived.get()

        def send(number: int) -> None:
            os.write(master, b"%d\n" % number)
            time.sleep(STALL_S)
            if number < 9:
                loop.call_later(GAP_S / 4, send, number + 1)

        try:
            send(1)
            async for chunk in chunks():
                found += chunk.split()
        except TimeoutError:
            return found
        finally:
            loop.remove_reader(slave)
            os.close(master)
            os.close(slave)
        raise AssertionError

    async def limited() -> list[bytes]:
        return await asyncio.wait_for(read(), PATIENCE_S)

    assert run_stall_free(limited()) == [b"%d" % number for number in range(1, 10)]
