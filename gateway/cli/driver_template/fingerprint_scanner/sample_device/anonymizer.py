"""Anonymizer of recordings of the Sample device: frames and identity are kept, images become white.

It works by an allow-list: bytes that are not known to be harmless are masked. Lengths never change.
"""

import re
from collections.abc import Sequence
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.mrz_serial import framed, keep_known
from drivers.anonymize.pseudonyms import Pseudonymizer, mask
from drivers.links.framing import CompleteFrame, Frame
from drivers.links.recording.recording import Entry

from sample_device.driver import IMAGE
from sample_device.exchange import GAP_S
from sample_device.frames import SampleDeviceFraming, encode

REQUESTS = re.compile(b"|".join(re.escape(encode(kind)) for kind in (b"?", b"S", b"X", b"G")))


def anonymize(_settings: Any, entries: Sequence[Entry], _pseudonymizer: Pseudonymizer) -> Anonymized:
    """Replace the images in a recording."""
    received, sent = join_chunks(entries, "in", GAP_S), join_chunks(entries, "out", GAP_S)
    new = framed(SampleDeviceFraming(), received, _anonymized)
    return Anonymized(replace_chunks(entries, in_=new, out=keep_known(sent.data, REQUESTS)))


def _anonymized(frame: Frame) -> bytes:
    if not isinstance(frame, CompleteFrame):
        return mask(frame.wire)
    if (image := IMAGE.fullmatch(frame.payload)) is not None:
        return encode(b"P", image[1] + b";" + image[2] + b";" + b"F" * len(image[3]))
    return frame.wire if frame.payload[:1] in (b"I", b"A", b"F", b"L", b"N") else mask(frame.wire)
