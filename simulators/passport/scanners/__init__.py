"""Area-imaging scanners that read the machine readable zone, one module per maker."""

from simulators.passport.scanners.est100 import Est100
from simulators.passport.scanners.faults import CommandRefused
from simulators.passport.scanners.honeywell import Honeywell
from simulators.passport.scanners.imager import CommandedImager
from simulators.passport.scanners.newland import Newland
from simulators.passport.scanners.rows import RowReader

__all__ = ["CommandRefused", "CommandedImager", "Est100", "Honeywell", "Newland", "RowReader"]
