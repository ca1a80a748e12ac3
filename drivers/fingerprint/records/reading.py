"""Decoder for records of either edition."""

from drivers.fingerprint.records import fir2005, fir2011
from drivers.fingerprint.records.fields import FORMAT, RecordError
from drivers.fingerprint.records.fir2005 import Record2005
from drivers.fingerprint.records.fir2011 import Record2011


def decode(data: bytes) -> Record2005 | Record2011:
    """Decode a record of either edition; raises RecordError, and nothing else, for other bytes."""
    if data.startswith(FORMAT + fir2005.VERSION):
        return Record2005.decode(data)
    if data.startswith(FORMAT + fir2011.VERSION):
        return Record2011.decode(data)
    raise RecordError("it does not begin as a finger image record of 2005 or 2011")
