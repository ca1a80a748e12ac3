"""JSON written by a device: a value or a ValueError, whatever the bytes."""

import codecs
from typing import Any

from pydantic_core import from_json


def decode(body: bytes) -> Any:
    r"""Decode a JSON value; raises ValueError.

    The standard library's parser overflows the stack for deep nesting, and accepts lone surrogates
    (`\ud800`), which no text of an event can hold and which cannot be encoded.
    """
    return from_json(body.removeprefix(codecs.BOM_UTF8))
