"""Settings for the barcodes of a reader, and loading of what verifies their digital seals."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from drivers.links.link import NotInstalledError
from drivers.links.settings import Settings
from drivers.passport.read_result import today

if TYPE_CHECKING:
    from drivers.passport.seals.verifier import BarcodeVerifier


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


async def load_barcode_verifier(settings: BarcodeSettings | None) -> "BarcodeVerifier | None":
    """Load parsers and certificates where barcodes are configured; raises LinkError without `chip`.

    Readers without barcodes, which are most, do not load the parsers.
    """
    if settings is None:
        return None
    try:
        import cbor2  # noqa: F401  (health certificates are parsed with it, one by one)

        from drivers.passport.emrtd import TrustStore
        from drivers.passport.seals.hcert.trust_list import HealthTrustLists
        from drivers.passport.seals.store import SealSignerStore
        from drivers.passport.seals.verifier import BarcodeVerifier
    except ImportError as error:
        raise NotInstalledError(
            f"Verification of seals needs {error.name}, which is not installed.", "chip"
        ) from error

    def load() -> "BarcodeVerifier":
        trust = TrustStore.load(*settings.trust) if settings.trust else None
        store = SealSignerStore.load(*settings.signers, trust=trust)
        max_age_days = settings.health_list_max_age_days
        health = HealthTrustLists.load(*settings.health_signers, max_age_days=max_age_days)
        return BarcodeVerifier(store, health, today)

    return await asyncio.to_thread(load)
