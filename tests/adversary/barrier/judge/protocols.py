"""Frames of relay and input boards, read from their makers' sheets: bytes into relay actions and readings.

Sources: Modbus application protocol V1.1b3 (functions 01 to 06, 0F, 10), Waveshare wiki (flash commands at
0x0200 and 0x0400, toggle 5500, all relays at 0x00FF), Wiren Board wiki (register 8), Numato user guide
(text commands), LC Technology (A0 channel operation sum), IEC 60839-11-5 (OSDP command OUT), Linux's
include/uapi/linux/gpio.h (values of requested lines).
"""

import re
import struct
from dataclasses import dataclass
from typing import Literal

from adversary.barrier.judge.records import BoardFacts

Kind = Literal["on", "off", "pulse", "toggle", "pulse-off"]
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


@dataclass(frozen=True, slots=True)
class RelayAction:
    """One relay that a request switches; `seconds` for a pulse that the board ends."""

    relay: int
    kind: Kind
    seconds: float | None = None

    @property
    def energises(self) -> bool:
        """True if the relay is closed at first or at the end."""
        return self.kind != "off"


@dataclass(frozen=True, slots=True)
class Request:
    """Meaning of a request: relay actions, a configuration, or a reading."""

    actions: tuple[RelayAction, ...] = ()
    reads: Literal["inputs", "relays", "identity", "other", ""] = ""
    first: int = 0
    count: int = 0
    configures: bool = False

    @property
    def writes(self) -> bool:
        """True if outputs are written."""
        return bool(self.actions)


NOTHING = Request()
GPIO_GET_VALUES, GPIO_SET_VALUES = 0xC010B40E, 0xC010B40F
"""Numbers of the ioctls, with the size of their argument."""
_RELAYS = {"waveshare-8": 8, "wirenboard-6": 6, "kmtronic-8": 8}


def crc16(data: bytes) -> int:
    """Return the checksum of Modbus over a serial line."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def pdu_of(facts: BoardFacts, data: bytes) -> bytes | None:
    """Return the message of a Modbus frame; None for damaged bytes and other units."""
    if facts.framing == "tcp":
        if len(data) < 8 or data[2:4] != b"\0\0" or struct.unpack(">H", data[4:6])[0] != len(data) - 6:
            return None
        unit, pdu = data[6], data[7:]
    else:
        if len(data) < 4 or struct.unpack("<H", data[-2:])[0] != crc16(data[:-2]):
            return None
        unit, pdu = data[0], data[1:-2]
    return pdu if unit in (0, facts.unit) else None


def read_request(facts: BoardFacts, data: bytes) -> Request | None:
    """Read a frame to a board; None for bytes that are no frame."""
    match facts.model:
        case "numato":
            return _numato(facts, data)
        case "lcus":
            return _lcus(data)
        case "osdp":
            return _osdp(facts, data)
        case "gpio":
            return _gpio(data)
    pdu = pdu_of(facts, data)
    return None if pdu is None else _modbus(facts, pdu)


def read_answer(facts: BoardFacts, request: Request, data: bytes) -> dict[int, bool] | None:
    """Return the circuits (or relays) in an answer: True where current flows; None without values."""
    if facts.model == "numato":
        found = re.search(rb"[\r\n]([0-9a-fA-F]+|on|off)[\r\n]+>", data)
        if found is None or not request.reads:
            return None
        if request.reads == "inputs":
            return {request.first: found[1] == b"1"}
        bits = int(found[1], 16)
        return {relay: bool(bits >> relay & 1) for relay in range(request.count)}
    if facts.model == "gpio" and len(data) == 21:
        bits, mask = struct.unpack_from("<QQ", data, 5)
        return {line: bool(bits >> line & 1) for line in range(64) if mask >> line & 1}
    if facts.model in ("lcus", "gpio", "osdp"):
        return None
    pdu = pdu_of(facts, data)
    if pdu is None or pdu[0] & 0x80 or request.reads not in ("inputs", "relays"):
        return None
    if pdu[0] in (1, 2):
        octets = pdu[2 : 2 + pdu[1]]
        return {
            request.first + n: bool(octets[n // 8] >> n % 8 & 1)
            for n in range(request.count)
            if n // 8 < len(octets)
        }
    words = struct.unpack(f">{pdu[1] // 2}H", pdu[2 : 2 + pdu[1]])
    return {16 * w + n: bool(word >> n & 1) for w, word in enumerate(words) for n in range(16)}


def is_refusal(facts: BoardFacts, data: bytes) -> bool:
    """Return whether an answer is a Modbus exception."""
    if facts.model in ("numato", "lcus", "gpio", "osdp"):
        return False
    pdu = pdu_of(facts, data)
    return pdu is not None and bool(pdu[0] & 0x80)


def _modbus(facts: BoardFacts, pdu: bytes) -> Request:
    function, layout = pdu[0], facts.map
    relays_at, relays = layout.get("relays_at", 0), layout.get("relays", _RELAYS.get(facts.model, 8))
    inputs_at, inputs_as = layout.get("inputs_at", 0), layout.get("inputs_as", "discrete-inputs")
    if pdu[:2] == b"\x2b\x0e":
        return Request(reads="identity")
    if len(pdu) < 5:
        return Request(reads="other")
    address, value = struct.unpack(">HH", pdu[1:5])
    match function:
        case 1 if (
            inputs_as == "coils" and address >= inputs_at and not relays_at <= address < relays_at + relays
        ):
            return Request(reads="inputs", first=address - inputs_at, count=value)
        case 1:
            return Request(reads="relays", first=address - relays_at, count=value)
        case 2:
            return Request(reads="inputs", first=address - inputs_at, count=value)
        case 3 | 4:
            packed = {3: "holding-register", 4: "input-register"}[function] == inputs_as
            return Request(reads="inputs" if packed and address == inputs_at else "other", count=value)
        case 5:
            return Request(actions=_coil(facts, address, value, relays_at, relays))
        case 6:
            pulse_at = layout.get("pulse_at")
            if pulse_at is not None and 0 <= address - pulse_at < relays:
                seconds = value * layout.get("pulse_unit_s", 0.1)
                action = RelayAction(address - pulse_at, "pulse" if value else "off", seconds or None)
                return Request(actions=(action,))
            return Request(configures=True)
        case 15:
            bits = int.from_bytes(pdu[6:], "little")
            return Request(
                actions=tuple(
                    RelayAction(address - relays_at + n, "on" if bits >> n & 1 else "off")
                    for n in range(value)
                )
            )
        case 16:
            return Request(configures=True)
    return Request(reads="other")


def _coil(
    facts: BoardFacts, address: int, value: int, relays_at: int, relays: int
) -> tuple[RelayAction, ...]:
    pulse_at = facts.map.get("pulse_at")
    if facts.model == "generic" and pulse_at is not None and 0 <= address - pulse_at < relays:
        return (RelayAction(address - pulse_at, "pulse", value * facts.map.get("pulse_unit_s", 0.1)),)
    if facts.model == "waveshare-8" and address != 0x00FF and address >> 8 in (2, 4):
        return (RelayAction(address & 0xFF, "pulse" if address >> 8 == 2 else "pulse-off", value * 0.1),)
    kinds: dict[int, Kind] = {0xFF00: "on", 0x0000: "off", 0x5500: "toggle"}
    if (kind := kinds.get(value)) is None:
        return ()
    if facts.model == "waveshare-8" and address == 0x00FF:
        return tuple(RelayAction(relay, kind) for relay in range(8))
    return (RelayAction(address - relays_at, kind),)


def _numato(facts: BoardFacts, data: bytes) -> Request | None:
    relays = facts.map.get("relays", 4)
    for command in data.decode("latin-1").strip("\n\r").split("\r")[-1:]:
        match command.strip().split(" "):
            case ["relay", "on" | "off" as switch, number] if number in DIGITS:
                return Request(actions=(RelayAction(DIGITS.index(number), switch),))
            case ["relay", "writeall", bits]:
                value = int(bits, 16)
                return Request(
                    actions=tuple(
                        RelayAction(relay, "on" if value >> relay & 1 else "off") for relay in range(relays)
                    )
                )
            case ["reset"]:
                return Request(actions=tuple(RelayAction(relay, "off") for relay in range(relays)))
            case ["relay", "readall"]:
                return Request(reads="relays", count=relays)
            case ["gpio", "read", number] if number in DIGITS:
                return Request(reads="inputs", first=DIGITS.index(number), count=1)
            case ["id", "set", *_]:
                return Request(configures=True)
    return Request(reads="other")


def _lcus(data: bytes) -> Request | None:
    if len(data) != 4 or data[0] != 0xA0 or sum(data[:3]) & 0xFF != data[3]:
        return None
    return Request(actions=(RelayAction(data[1] - 1, "on" if data[2] else "off"),))


def _gpio(data: bytes) -> Request:
    """Read an ioctl on requested lines: O (outputs) or I (inputs), its number, and `gpio_v2_line_values`."""
    if len(data) < 5 or data[:1] == b"L":
        return Request(reads="other")
    (code,) = struct.unpack_from("<I", data, 1)
    if code == GPIO_GET_VALUES:
        return Request(reads="inputs" if data[:1] == b"I" else "relays", count=64)
    bits, mask = struct.unpack_from("<QQ", data, 5)
    return Request(
        actions=tuple(
            RelayAction(line, "on" if bits >> line & 1 else "off") for line in range(64) if mask >> line & 1
        )
    )


def _osdp(facts: BoardFacts, data: bytes) -> Request | None:
    """Read an OSDP frame without encryption: command OUT is records of output, code, timer x 100 ms."""
    frame = data.lstrip(b"\xff")
    if len(frame) < 7 or frame[0] != 0x53 or frame[1] & 0x80:
        return None
    at = 5 + (frame[5] if frame[4] & 0x08 else 0)
    if frame[4] & 0x08 and frame[6] in (0x17, 0x18):  # encrypted data
        return Request(reads="other")
    if frame[at] != 0x68:
        return Request(reads="other")
    check = 2 if frame[4] & 0x04 else 1
    body = frame[at + 1 : len(frame) - check]
    actions = []
    for output, code, timer in struct.iter_unpack("<BBH", body[: len(body) // 4 * 4]):
        kinds: dict[int, Kind] = {1: "off", 2: "on", 3: "off", 4: "on", 5: "pulse", 6: "pulse-off"}
        if code in kinds:
            actions.append(RelayAction(output, kinds[code], timer * 0.1 if code >= 5 else None))
    return Request(actions=tuple(actions))
