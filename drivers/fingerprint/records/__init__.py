"""Finger image records of ISO/IEC 19794-4, editions of 2005 (`fir2005`) and 2011 (`fir2011`). Pure."""

from drivers.fingerprint.records.fields import Compression, RecordError
from drivers.fingerprint.records.fir2005 import Record2005, View
from drivers.fingerprint.records.fir2011 import Certificate, QualityBlock, Record2011, Representation
from drivers.fingerprint.records.reading import decode

__all__ = [
    "Certificate",
    "Compression",
    "QualityBlock",
    "Record2005",
    "Record2011",
    "RecordError",
    "Representation",
    "View",
    "decode",
]
