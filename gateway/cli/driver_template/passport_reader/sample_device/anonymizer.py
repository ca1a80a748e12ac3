"""Anonymizer of recordings of the Sample device: frames and identity are kept, documents get pseudonyms.

It works by an allow-list: bytes that are not known to be harmless are masked. Lengths never change.
"""

import re
from collections.abc import Sequence
from typing import Any

from drivers.anonymize.anonymizer import Anonymized, join_chunks, replace_chunks
from drivers.anonymize.mrz_serial import framed, keep_known
from drivers.anonymize.pseudonyms import Pseudonymizer, mask
from drivers.anonymize.text import anonymize_text
from drivers.links.framing import CompleteFrame, Frame
from drivers.links.recording.recording import Entry

from sample_device.exchange import GAP_S
from sample_device.frames import SampleDeviceFraming, encode

REQUESTS = re.compile(re.escape(encode(b"?")))


def anonymize(_settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Replace the documents in a recording."""
    received, sent = join_chunks(entries, "in", GAP_S), join_chunks(entries, "out", GAP_S)
    new = framed(SampleDeviceFraming(), received, lambda frame: _anonymized(frame, pseudonymizer))
    return Anonymized(replace_chunks(entries, in_=new, out=keep_known(sent.data, REQUESTS)))


def _anonymized(frame: Frame, pseudonymizer: Pseudonymizer) -> bytes:
    match frame:
        case CompleteFrame(payload, wire) if payload[:1] == b"I":
            return wire
        case CompleteFrame(payload) if payload[:1] == b"M":
            return encode(b"M", anonymize_text(payload[1:], pseudonymizer))
        case _ if frame.wire[:2] == b"\x02M":  # damaged: it may end in the middle of a name
            return frame.wire[:2] + anonymize_text(frame.wire[2:], pseudonymizer)
    return mask(frame.wire)
