"""Chips on a VpcdSlot, read through pcscd by libpcsclite, in a network namespace. Prints its results.

libpcsclite is called through ctypes, so that no smart card library has to be installed.
"""

import asyncio
import ctypes
import hashlib
import json
import sys
from typing import Any

from chip_terminal import Terminal

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.chip import ActiveAuthentication, Chip, Cipher, IssuingState, Profile, VpcdSlot
from simulators.passport.chip.faults import CardRemoval
from simulators.passport.chip.lds import mrz_information
from simulators.specimens import ERIKSSON

PASSPORT = ERIKSSON[Format.TD3]
LONG, HANDLE = ctypes.c_ulong, ctypes.c_long
SHARED, T1_OR_T0, LEAVE_CARD, RESET_CARD, EMPTY = 2, 3, 0, 1, 0x10
NAME = b"Virtual PCD 00 00"


class PcscError(Exception):
    pass


class IoRequest(ctypes.Structure):
    _fields_ = [("protocol", LONG), ("length", LONG)]


class ReaderState(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("user", ctypes.c_void_p), ("before", LONG), ("now", LONG),
        ("atr_size", LONG), ("atr", ctypes.c_ubyte * 33),
    ]  # fmt: skip


class Reader:
    """The single reader of pcscd."""

    def __init__(self) -> None:
        self.library: Any = ctypes.CDLL("libpcsclite.so.1")
        self.context, self.card = HANDLE(), HANDLE()
        self.protocol = LONG()

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self.library, name)(*arguments) & 0xFFFFFFFF
        if code:
            raise PcscError(f"{name}: {code:08X}")

    def establish(self) -> None:
        self.call("SCardEstablishContext", LONG(2), None, None, ctypes.byref(self.context))

    def connect(self) -> None:
        self.call(
            "SCardConnect", self.context, NAME, LONG(SHARED), LONG(T1_OR_T0),
            ctypes.byref(self.card), ctypes.byref(self.protocol),
        )  # fmt: skip

    def transmit(self, apdu: bytes) -> bytes:
        size = LONG(65544)
        reply = ctypes.create_string_buffer(65544)
        request = IoRequest(self.protocol.value, ctypes.sizeof(IoRequest))
        self.call(
            "SCardTransmit", self.card, ctypes.byref(request), apdu, LONG(len(apdu)), None,
            reply, ctypes.byref(size),
        )  # fmt: skip
        # vpcd reports a card that was removed during a command as a success with no reply at all.
        if size.value < 2:
            raise PcscError(f"SCardTransmit: a reply of {size.value} bytes")
        return reply.raw[: size.value]

    def expect_removed(self) -> None:
        """Raise PcscError while pcscd still reports a card: it polls two or three times a second."""
        state = ReaderState(NAME, None, 0, 0, 0)
        self.call("SCardGetStatusChange", self.context, LONG(0), ctypes.byref(state), LONG(1))
        if not state.now & EMPTY:
            raise PcscError("the card is still there")

    def disconnect(self, disposition: int = RESET_CARD) -> None:
        # Resetting a removed card makes pcscd 2.3.3 report an empty reader, even if a card is inserted before
        # its next poll.
        self.library.SCardDisconnect(self.card, LONG(disposition))

    def release(self) -> None:
        self.call("SCardReleaseContext", self.context)


async def patiently(what: Any, *errors: type[Exception]) -> None:
    """Retry until pcscd is up, or has detected the card: it polls four times a second."""
    for _ in range(100):
        try:
            await what() if asyncio.iscoroutinefunction(what) else await asyncio.to_thread(what)
        except errors:
            await asyncio.sleep(0.1)
        else:
            return
    await asyncio.to_thread(what)


def session(reader: Reader, way: str, saw: dict[str, Any]) -> None:
    terminal = Terminal(reader.transmit)
    if way == "BAC":
        terminal.bac(mrz_information(PASSPORT))
    else:
        info = Profile().pace[0]
        terminal.pace(info.oid, info.parameter_id, hashlib.sha1(mrz_information(PASSPORT).encode()).digest())
        terminal.select_application()
    saw["zone"] = terminal.read(0x0101)[5:].decode()
    for fid in (0x011E, 0x011D, 0x0102):
        terminal.read(fid)
    terminal.chip_authentication(terminal.read(0x010E), 2)
    saw["chip_authentication"] = terminal.read(0x0101)[5:].decode() == saw["zone"]
    saw["active_authentication"] = len(terminal.active_authentication(bytes(8)))


async def main() -> None:
    reader, saw = Reader(), dict[str, Any](sessions=[])
    profile = Profile(
        chip_authentication=(Cipher.AES_128,), active_authentication=ActiveAuthentication.RSA_SHA1
    )
    chip = Chip.issue(PASSPORT, IssuingState.create(), profile)
    async with VpcdSlot() as slot:
        await patiently(reader.establish, PcscError)

        async def insert() -> None:
            await slot.insert(chip)

        for way in ("BAC", "PACE", "BAC", "PACE", "BAC"):
            await patiently(insert, SimulatorError)
            await patiently(reader.connect, PcscError)
            await asyncio.to_thread(session, reader, way, saw)
            saw["sessions"].append(way)
            await asyncio.to_thread(reader.disconnect)
            await slot.remove()
            await patiently(reader.expect_removed, PcscError)

        chip = Chip(chip.personalisation, [CardRemoval(at=5)])
        await patiently(insert, SimulatorError)
        await patiently(reader.connect, PcscError)
        try:
            await asyncio.to_thread(session, reader, "BAC", {})
        except PcscError:
            saw["removed_at_5"] = not slot.is_occupied
        await asyncio.to_thread(reader.disconnect, LEAVE_CARD)
        await patiently(reader.expect_removed, PcscError)
        await patiently(insert, SimulatorError)
        await patiently(reader.connect, PcscError)
        await asyncio.to_thread(session, reader, "BAC", {})
        saw["after_removal"] = "BAC"
        await asyncio.to_thread(reader.disconnect)
        await asyncio.to_thread(reader.release)
    sys.stdout.write(json.dumps(saw))


if __name__ == "__main__":
    asyncio.run(main())
