"""ICAO Datastructure for Barcodes (IDB), texts that begin with RDB1 or, in its first edition, NDB1."""

from drivers.passport.seals.idb.model import Idb, IdbMessage
from drivers.passport.seals.idb.parser import is_idb, parse

__all__ = ["Idb", "IdbMessage", "is_idb", "parse"]
