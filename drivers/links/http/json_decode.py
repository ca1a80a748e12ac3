"""JSON that a device wrote: a value, or a ValueError, whatever the bytes are."""

import codecs
from typing import Any

from pydantic_core import from_json


def decode(body: bytes) -> Any:
    """The value; raises ValueError.

    The standard library's parser overflows the stack for what is nested too deep, and lets through halves of
    characters (`\\ud800`), which no text of an event can hold and nobody could encode.
    """
    return from_json(body.removeprefix(codecs.BOM_UTF8))
