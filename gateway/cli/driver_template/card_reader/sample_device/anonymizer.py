"""Anonymizer of recordings of the Sample device: frames and identity are kept, cards get pseudonyms.

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

from sample_device.driver import CARD
from sample_device.exchange import GAP_S
from sample_device.frames import SampleDeviceFraming, encode

REQUESTS = re.compile(re.escape(encode(b"?")))


def anonymize(_settings: Any, entries: Sequence[Entry], pseudonymizer: Pseudonymizer) -> Anonymized:
    """Replace the cards in a recording."""
    received, sent = join_chunks(entries, "in", GAP_S), join_chunks(entries, "out", GAP_S)
    new = framed(SampleDeviceFraming(), received, lambda frame: _anonymized(frame, pseudonymizer))
    return Anonymized(replace_chunks(entries, in_=new, out=keep_known(sent.data, REQUESTS)))


def _anonymized(frame: Frame, pseudonymizer: Pseudonymizer) -> bytes:
    if not isinstance(frame, CompleteFrame):
        return mask(frame.wire)
    if frame.payload[:1] == b"I":
        return frame.wire
    if (card := CARD.fullmatch(frame.payload)) is None:
        return mask(frame.wire)
    digits = card[2].decode()
    pseudonymizer.add_marks(digits)
    number = int(pseudonymizer.pseudonym("card", str(int(digits, 16))))
    new = f"{number % 16 ** len(digits):0{len(digits)}X}"
    return encode(b"C", card[1] + b";" + new.encode())
