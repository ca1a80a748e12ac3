"""Another program at the smart card service: `meddle` sends commands, `hold` keeps a transaction.

Run as a program, it prints a line when it has begun, and ends with its standard input.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from smartcard import scard
from support.patience import PATIENCE_S

SELECT_MASTER_FILE = list(bytes.fromhex("00A4000C023F00"))


def main(kind: str, slot: str) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    code = -1
    while code != scard.SCARD_S_SUCCESS and not ended.wait(0.05):
        code, card, protocol = scard.SCardConnect(
            context, slot, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        )
    header = scard.SCARD_PCI_T1 if protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0
    if kind == "hold":
        scard.SCardBeginTransaction(card)
        print("begun", flush=True)
        ended.wait()
        scard.SCardEndTransaction(card, scard.SCARD_LEAVE_CARD)
    begun = False
    while kind == "meddle" and not ended.wait(0.002):
        code, _ = scard.SCardTransmit(card, header, SELECT_MASTER_FILE)
        if code == scard.SCARD_S_SUCCESS and not begun:
            begun = True
            print("begun", flush=True)
    scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)


@contextlib.asynccontextmanager
async def other_program(kind: str, slot: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it beside the test."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, kind, slot),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdin
    assert program.stdout
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await program.stdout.readline() == b"begun\n"
        yield program
    finally:
        program.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await program.communicate()


if __name__ == "__main__":
    main(*sys.argv[1:])
