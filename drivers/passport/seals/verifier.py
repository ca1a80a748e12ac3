"""Verifier of the barcodes of one reader: their content, and the checks of their seals."""

from collections.abc import Callable
from datetime import date

from drivers.observation import Check
from drivers.passport.mrz import Mrz
from drivers.passport.seals.checks import seal_checks
from drivers.passport.seals.hcert.trust_list import HealthTrustLists
from drivers.passport.seals.model import Barcode, Symbology
from drivers.passport.seals.payload import parse_barcode
from drivers.passport.seals.store import SealSignerStore


class BarcodeVerifier:
    """Parser of barcodes and verifier of their seals against the operator's certificates and lists."""

    def __init__(self, store: SealSignerStore, health: HealthTrustLists, today: Callable[[], date]) -> None:
        self._store = store
        self._health = health
        self._today = today

    def verify(
        self, data: bytes, symbology: Symbology | None, printed: Mrz | None = None
    ) -> tuple[Barcode, tuple[Check, ...]]:
        """Parse a barcode and check its seal; `printed` is the zone of the same document."""
        now = self._today()
        barcode = parse_barcode(data, symbology, now)
        return barcode, seal_checks(barcode, printed, self._store, now, self._health)
