"""Barcodes and digital seals from a reader: their content and the checks of their signatures."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from drivers.links.link import NotInstalledError
from drivers.links.settings import Settings
from drivers.observation import Check
from drivers.passport.mrz import Mrz
from drivers.passport.read_result import today
from drivers.passport.seals import Barcode, Symbology
from drivers.passport.seals.payload import parse_barcode

if TYPE_CHECKING:
    from drivers.passport.seals.hcert.trust_list import HealthTrustLists
    from drivers.passport.seals.store import SealSignerStore


class BarcodeSettings(Settings):
    """Certificates for the verification of seals in barcodes."""

    signers: tuple[Path, ...] = Field(
        default=(),
        description="Files and folders with certificates of seal signers. Without any, the signatures of "
        "seals are `undetermined`.",
        examples=[["/etc/borderpost/seal-signers"]],
    )
    trust: tuple[Path, ...] = Field(
        default=(),
        description="CSCA certificates that must have issued the signers' certificates. Without "
        "any, every certificate in "
        "`signers` is trusted directly.",
        examples=[["/etc/borderpost/trust"]],
    )
    health_signers: tuple[Path, ...] = Field(
        default=(),
        description="Files and folders with the signers of health certificates: certificates, lists in JSON "
        "of a national back end, or DID documents of WHO. Without any, their signatures are `undetermined`.",
        examples=[["/etc/borderpost/health-signers"]],
    )
    health_list_max_age_days: float = Field(
        default=30,
        gt=0,
        le=3650,
        description="Age of a list in `health_signers` after which its signers are `undetermined`, in days.",
        examples=[30],
    )


class BarcodeVerifier:
    """Parser of barcodes and verifier of their seals against the operator's certificates and lists."""

    def __init__(self, store: "SealSignerStore", health: "HealthTrustLists") -> None:
        self._store = store
        self._health = health

    def verify(
        self, data: bytes, symbology: Symbology | None, printed: Mrz | None = None
    ) -> tuple[Barcode, tuple[Check, ...]]:
        """Parse a barcode and check its seal; `printed` is the zone of the same document."""
        from drivers.passport.seals.checks import seal_checks

        now = today()
        barcode = parse_barcode(data, symbology, now)
        return barcode, seal_checks(barcode, printed, self._store, now, self._health)


async def load_barcode_verifier(settings: BarcodeSettings | None) -> BarcodeVerifier | None:
    """Load the certificates where barcodes are configured; raises LinkError without the extra `chip`."""
    if settings is None:
        return None
    try:
        import cbor2  # noqa: F401  (health certificates are parsed with it, one by one)

        from drivers.passport.emrtd import TrustStore
        from drivers.passport.seals.hcert.trust_list import HealthTrustLists
        from drivers.passport.seals.store import SealSignerStore
    except ImportError as error:
        raise NotInstalledError(
            f"Verification of seals needs {error.name}, which is not installed.", "chip"
        ) from error

    def load() -> BarcodeVerifier:
        trust = TrustStore.load(*settings.trust) if settings.trust else None
        store = SealSignerStore.load(*settings.signers, trust=trust)
        max_age_days = settings.health_list_max_age_days
        return BarcodeVerifier(
            store, HealthTrustLists.load(*settings.health_signers, max_age_days=max_age_days)
        )

    return await asyncio.to_thread(load)
