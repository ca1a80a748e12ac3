"""Short descriptions of chunks: the kind of message, never its content. Pure.

For a technician, beside the bytes. A chunk that is not a whole message has no description: "".
"""

import re

from drivers.links.link import Direction
from drivers.links.modbus.framing import HEADER, crc16
from drivers.links.modbus.pdu import EXCEPTION, Function

_REQUEST = re.compile(rb"([A-Z]{3,7}) ([!->@-~]{1,200})(?:\?[!-~]*)?\n")
_STATUS = re.compile(rb"([1-5][0-9]{2})(?: [ -~]*)?\n")


def describe_modbus(_direction: Direction, chunk: bytes) -> str:
    """Describe a chunk over TCP or on a serial line: its unit and function."""
    if len(chunk) > HEADER and chunk[2:4] == b"\0\0" and int.from_bytes(chunk[4:6]) == len(chunk) - 6:
        unit, code = chunk[6], chunk[7]
    elif len(chunk) >= 4 and crc16(chunk[:-2]) == chunk[-2:]:
        unit, code = chunk[0], chunk[1]
    else:
        return ""
    refused = bool(code & EXCEPTION)
    code &= ~EXCEPTION
    known = code in set(Function)
    name = Function(code).name.lower().replace("_", " ") if known else f"function {code:02x}"
    return f"unit {unit}: {name}{', refused' if refused else ''}"


def describe_http(direction: Direction, chunk: bytes) -> str:
    """Describe a request by its method and path without query, or a response by its status."""
    if direction == "out":
        request = _REQUEST.match(chunk)
        return f"{request[1].decode()} {request[2].decode()}" if request else ""
    status = _STATUS.fullmatch(chunk)
    return f"status {status[1].decode()}" if status else ""
