"""ICAO Datastructure for Barcodes (IDB), texts that begin with RDB1 or, in its first edition, NDB1."""

from drivers.passport.seals.idb.model import Idb, IdbMessage

__all__ = ["Idb", "IdbMessage"]
