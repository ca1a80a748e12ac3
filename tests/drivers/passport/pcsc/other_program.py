"""Another program at the smart card service: `meddle` sends commands, `hold` keeps a transaction.

Prints a line when it has begun, and ends with its standard input.
"""

import sys
import threading

from smartcard import scard

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


main(*sys.argv[1:])
