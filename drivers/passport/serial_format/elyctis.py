"""Protocol of the Elyctis ID BOX: its identity, and the repeated arming of its continuous mode.

Source: Elyctis, *Scanner Command Set* 1.7, and the vendor's web-serial demos.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from drivers.driver import Identity
from drivers.links.framing import CompleteFrame, DamagedFrame, Frame, Framing, frames
from drivers.links.link import Action, Cause, LinkError
from drivers.links.serial import DTR_HINT, SerialLink
from drivers.passport.serial_format.format_check import FormatVerdict, format_status

CONFIGURED = 'framing = "elyctis"'
INQUIRE, ONE_LINE, CONTINUOUS, FIRMWARE, SERIAL_NUMBER, PRODUCT = b"I", b"L", b"C", b"V", b"R", b"T"
FLUSH = b"\x00"
FLUSH_S = 0.5
"""Time within which the reader's own answer to a flush may still arrive, in seconds."""
ANSWER_S = 2.0
"""Timeout of the vendor's own client for an answer, in seconds."""


def command_frame(command: bytes, data: bytes = b"") -> bytes:
    """Encode one command as a frame."""
    return command + len(data).to_bytes(2, "big") + data


async def initialise(link: SerialLink, framing: Framing, gap_s: float) -> Identity:
    """Bring the reader to a known state, request its identity, start reading.

    Raises LinkError when silent.
    """
    await link.write(FLUSH)
    try:
        async with asyncio.timeout(FLUSH_S), contextlib.aclosing(frames(link, framing, gap_s)) as unread:
            async for frame in unread:
                _refuse_other_format(frame)
    except TimeoutError:
        pass
    for frame in framing.on_silence():
        _refuse_other_format(frame)
    product = await _answer(link, framing, gap_s, PRODUCT)
    serial_number = await _answer(link, framing, gap_s, SERIAL_NUMBER)
    firmware = await _answer(link, framing, gap_s, FIRMWARE)
    await rearm(link)
    return Identity(
        manufacturer="Elyctis", model=product, serial_number=serial_number or None, firmware=firmware or None
    )


async def _answer(link: SerialLink, framing: Framing, gap_s: float, command: bytes) -> str:
    """Send one request and wait for its answer; a document read meanwhile is read again after `rearm`."""
    await link.write(command_frame(command))
    try:
        async with asyncio.timeout(ANSWER_S), contextlib.aclosing(frames(link, framing, gap_s)) as answers:
            async for frame in answers:
                _refuse_other_format(frame)
                match frame:
                    case CompleteFrame(payload, _) if payload[:1] == command:
                        return payload[1:].decode("ascii", "replace").strip()
    except TimeoutError:
        pass
    raise LinkError(
        Cause.NO_RESPONSE,
        "The device on this port does not respond as an Elyctis ID BOX, so no document can be read.",
        Action.CONFIGURE,
        f"Check `framing` and `baud`; the UART models leave the factory at 9600 or 115200. {DTR_HINT}",
    )


def _refuse_other_format(frame: Frame) -> None:
    """Raise LinkError if a reader of another format has sent a document, because it will not respond."""
    if isinstance(frame, FormatVerdict) and frame.is_suspected and frame.fault:
        status = format_status(frame, CONFIGURED)
        raise LinkError(Cause.WRONG_FORMAT, status.text, status.action, status.how)


async def rearm(link: SerialLink) -> None:
    """Switch continuous reading off and on: the mode ends by itself after one good read."""
    await link.write(command_frame(CONTINUOUS, b"\x00") + command_frame(CONTINUOUS, b"\x01"))


async def read_documents(
    link: SerialLink, framing: Framing, gap_s: float, presence_poll_s: float
) -> AsyncGenerator[Frame]:
    """Yield each document once, as the text of its lines, and damaged frames.

    A document that is still in the reader when the mode is switched on is read again and again. So after a
    read the reader is polled for its content, and armed when it is empty.
    """
    lying: bytes | None = None
    answered = asyncio.Event()

    async def ask_what_lies_there() -> None:
        while True:
            await asyncio.sleep(presence_poll_s)
            if lying is not None:
                answered.clear()
                await link.write(command_frame(INQUIRE))
                # One request at a time: an answer to a second one could complete a later, cut frame.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), ANSWER_S)

    asking = asyncio.create_task(ask_what_lies_there())
    try:
        async with contextlib.aclosing(frames(link, framing, gap_s)) as answers:
            async for frame in answers:
                match frame:
                    case DamagedFrame():
                        yield frame
                    case CompleteFrame(payload, wire) if payload[:1] in (INQUIRE, ONE_LINE):
                        text = payload[1:] if payload[1:].strip() else None  # three CR: no document
                        if text is None and lying is not None:
                            await rearm(link)
                        elif text is not None and text != lying:
                            yield CompleteFrame(text, wire)
                        lying = text
                        answered.set()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
