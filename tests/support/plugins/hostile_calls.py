"""Table of a hostile driver's attempts, and the raw system call."""

import ctypes
import os
from collections.abc import Callable
from typing import Any

Targets = dict[str, str]
ATTEMPTS: dict[str, Callable[[Targets], str | None]] = {}
"""Each raises OSError when it fails."""
libc = ctypes.CDLL(None, use_errno=True)
IS_X86 = os.uname().machine == "x86_64"


def attempt(function: Callable[[Targets], str | None]) -> Callable[[Targets], str | None]:
    """Add a function to the attempts."""
    ATTEMPTS[function.__name__] = function
    return function


def call(x86_64: int, aarch64: int, *arguments: Any) -> int:
    """Make a system call, by its number on either machine; raises OSError."""
    libc.syscall.restype = ctypes.c_long
    long = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return check(libc.syscall(ctypes.c_long(x86_64 if IS_X86 else aarch64), *long))


def check(result: int) -> int:
    """Return the result of a C function; raises OSError for -1."""
    if result == -1:
        raise OSError(ctypes.get_errno(), "call")
    return result
