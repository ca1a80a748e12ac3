"""The clock of libosdp in virtual time: its calls of gettimeofday(2) lead to a function of the rig.

libosdp has a clock of its own, by which it waits for answers, repeats frames and gives up readers. The call
goes through a slot of the extension's table of imported functions, which this replaces.
"""

import contextlib
import ctypes
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import osdp_sys

EPOCH_S = 1_790_000_000
_DYNSYM, _STRTAB, _RELA = 11, 3, 4
_JUMP_SLOT = 7
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def _slot_offset(library: bytes, name: str) -> int:
    """Return the offset of an imported function's slot (ELF64, x86-64 ABI: R_X86_64_JUMP_SLOT)."""
    (table,) = struct.unpack_from("<Q", library, 0x28)
    size, count = struct.unpack_from("<HH", library, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", library, table + n * size) for n in range(count)]
    for _, kind, _, _, at, length, link, *_rest in sections:
        if kind != _RELA:
            continue
        symbols, strings_at = sections[link], sections[sections[link][6]][4]
        for here in range(at, at + length, 24):
            offset, info, _addend = struct.unpack_from("<QQq", library, here)
            if info & 0xFFFFFFFF != _JUMP_SLOT:
                continue
            (name_at,) = struct.unpack_from("<I", library, symbols[4] + 24 * (info >> 32))
            start = strings_at + name_at
            if library[start : library.index(b"\0", start)] == name.encode():
                return int(offset)
    raise ValueError(f"{name} is not imported")


def _base_address(path: Path) -> int:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(path)):
            return int(line.partition("-")[0], 16)
    raise ValueError(f"{path} is not loaded")


@contextlib.contextmanager
def virtual_clock(now_s: Callable[[], float]) -> Iterator[None]:
    """Let libosdp take its time from `now_s`, in seconds."""
    path = Path(osdp_sys.__file__).resolve()
    slot = ctypes.c_void_p.from_address(_base_address(path) + _slot_offset(path.read_bytes(), "gettimeofday"))

    def gettimeofday(result: int, _zone: int) -> int:
        microseconds = round(now_s() * 1e6)
        at = ctypes.c_int64.from_address(result)
        at.value = EPOCH_S + microseconds // 1_000_000
        ctypes.c_int64.from_address(result + 8).value = microseconds % 1_000_000
        return 0

    function, before = _FUNCTION(gettimeofday), slot.value
    slot.value = ctypes.cast(function, ctypes.c_void_p).value
    try:
        yield
    finally:
        slot.value = before
