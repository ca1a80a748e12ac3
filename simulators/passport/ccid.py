"""A contactless chip reader on USB, for the real pcscd and libccid.

Source: USB-IF, *Device Class: Smart Card, CCID*, revision 1.1: descriptor in 5.1, messages in chapter 6,
errors in 6.2.6. A contactless reader reports its chip like a contact card that is put in and taken out.
"""

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum

from simulators.passport.chip.chip import Chip
from simulators.passport.chip.faults import CardRemovedError, FieldLostError, ReplyLostError
from simulators.usb.device import EndpointDescription, Setup, Stall, UsbDevice, UsbDeviceDescription

VENDOR_ID, PRODUCT_ID = 0x076B, 0x5022
"""HID Global OMNIKEY 5022: libccid serves only readers of its list."""
BULK_OUT, BULK_IN = 0x02, 0x81
_HEADER = struct.Struct("<BIBB3s")
_ANSWER = struct.Struct("<BIBBBBB")
_AUTOMATIC = 0x04FE
"""Features that need no help of the driver: activation, voltage, clock, data rate, parameters."""
_SHORT_APDUS, _EXTENDED_APDUS = 0x020000, 0x040000


class Request(IntEnum):
    """Messages from the host (6.1)."""

    SET_PARAMETERS = 0x61
    POWER_ON = 0x62
    POWER_OFF = 0x63
    SLOT_STATUS = 0x65
    ESCAPE = 0x6B
    GET_PARAMETERS = 0x6C
    RESET_PARAMETERS = 0x6D
    TRANSFER = 0x6F


class Answer(IntEnum):
    """Messages from the reader (6.2)."""

    DATA_BLOCK = 0x80
    SLOT_STATUS = 0x81
    PARAMETERS = 0x82


class Slot(IntEnum):
    """`bmICCStatus`."""

    ACTIVE = 0
    INACTIVE = 1
    EMPTY = 2


_FAILED = 0x40
_COMMAND_NOT_SUPPORTED, _OVERRUN, _PARITY_ERROR, _MUTE = 0x00, 0xFC, 0xFD, 0xFE


@dataclass(frozen=True, slots=True)
class ReaderModel:
    """Lengths of APDUs: stated in the descriptor, and passed on in fact."""

    states_extended: bool = True
    passes_extended: bool = True


class CcidReader(UsbDevice):
    """A reader with one slot. Chips that lie there together answer in turn, one for each power-up."""

    def __init__(self, model: ReaderModel | None = None) -> None:
        self.model = model or ReaderModel()
        super().__init__(_description(self.model))
        self.refused_lengths = 0
        """Number of commands refused for their length."""
        self.power_ups = 0
        self._chips: list[Chip] = []
        self._powered: Chip | None = None
        self._returning: asyncio.TimerHandle | None = None

    def place(self, *chips: Chip) -> None:
        """Put documents on the reader, in place of those that lie there."""
        self.clear()
        for chip in chips:
            chip.insert()
        self._chips = list(chips)

    def clear(self) -> None:
        """Take all documents away."""
        if self._returning is not None:
            self._returning.cancel()
        self._chips, self._powered, self._returning = [], None, None

    def on_power(self) -> None:
        """Start again; documents stay."""
        self._powered = None

    def control(self, setup: Setup, data: bytes = b"") -> bytes:
        """Refuse: no class request is needed (5.3)."""
        del setup, data
        raise Stall

    def on_out(self, endpoint: int, data: bytes) -> None:
        """Answer one message; the driver sends no next one before."""
        del endpoint
        kind, length, _slot, number, _ = _HEADER.unpack_from(data)
        body = data[_HEADER.size : _HEADER.size + length]
        match kind:
            case Request.POWER_ON:
                self._power_on(number)
            case Request.POWER_OFF:
                self._powered = None
                self._answer(Answer.SLOT_STATUS, number)
            case Request.SLOT_STATUS:
                self._answer(Answer.SLOT_STATUS, number)
            case Request.SET_PARAMETERS | Request.GET_PARAMETERS | Request.RESET_PARAMETERS:
                self._answer(Answer.PARAMETERS, number, bytes.fromhex("11104500FE0000"), last=1)
            case Request.TRANSFER:
                self._transfer(number, body)
            case _:
                self._fail(Answer.SLOT_STATUS, number, _COMMAND_NOT_SUPPORTED)

    @property
    def _state(self) -> Slot:
        if self._returning is not None or not self._chips:
            return Slot.EMPTY
        return Slot.INACTIVE if self._powered is None else Slot.ACTIVE

    def _power_on(self, number: int) -> None:
        if self._state is Slot.EMPTY:
            self._fail(Answer.DATA_BLOCK, number, _MUTE)
            return
        self.power_ups += 1
        self._powered = self._chips[self.power_ups % len(self._chips)]
        self._powered.reset()
        self._answer(Answer.DATA_BLOCK, number, self._powered.atr)

    def _transfer(self, number: int, apdu: bytes) -> None:
        if len(apdu) >= 7 and apdu[4] == 0 and not self.model.passes_extended:
            self.refused_lengths += 1
            self._fail(Answer.DATA_BLOCK, number, _OVERRUN)
            return
        if self._powered is None:
            self._fail(Answer.DATA_BLOCK, number, _MUTE)
            return
        try:
            answer = self._powered.answer(apdu)
        except ReplyLostError:
            self._fail(Answer.DATA_BLOCK, number, _PARITY_ERROR)
        except FieldLostError as lost:
            self._powered = None
            self._returning = self.call_later(lost.for_s, self._return)
            self._fail(Answer.DATA_BLOCK, number, _MUTE)
        except CardRemovedError:
            self.clear()
            self._fail(Answer.DATA_BLOCK, number, _MUTE)
        else:
            self.call_later(answer.airtime_s, lambda: self._answer(Answer.DATA_BLOCK, number, answer.reply))

    def _return(self) -> None:
        self._returning = None

    def _fail(self, kind: Answer, number: int, error: int) -> None:
        self._answer(kind, number, status=_FAILED, error=error)

    def _answer(
        self, kind: Answer, number: int, body: bytes = b"", *, status: int = 0, error: int = 0, last: int = 0
    ) -> None:
        head = _ANSWER.pack(kind, len(body), 0, number, status | self._state, error, last)
        self.queue_in(BULK_IN, head + body)


def _description(model: ReaderModel) -> UsbDeviceDescription:
    features = _AUTOMATIC | (_EXTENDED_APDUS if model.states_extended else _SHORT_APDUS)
    longest = 65_556 if model.states_extended else 271
    return UsbDeviceDescription(
        VENDOR_ID,
        PRODUCT_ID,
        0x0105,
        "HID Global",
        "OMNIKEY 5022 Smart Card Reader",
        None,
        (0x0B, 0, 0),
        (EndpointDescription(BULK_OUT, "bulk"), EndpointDescription(BULK_IN, "bulk")),
        class_specific=_class_descriptor(features, longest),
    )


def _class_descriptor(features: int, longest_message: int) -> bytes:
    """Encode the 54 bytes of 5.1: T=0 and T=1, all voltages, one slot."""
    return struct.pack(
        "<BBHBBIIIBIIBIIIIIBBHBB",
        *(0x36, 0x21, 0x0110, 0, 0x07, 0x03),
        *(4000, 4000, 0, 10752, 344_086, 0, 254),
        *(0, 0, features, longest_message),
        *(0xFF, 0xFF, 0, 0, 1),
    )
