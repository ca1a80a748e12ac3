"""An authority that signs every kind of barcode, and the files with which an operator verifies them.

Its keys are new at every start.
"""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulators.mrz import Document
from simulators.passport.barcodes import BarcodeKind
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.seals import hcert, idb
from simulators.passport.seals.faults import SealFault
from simulators.passport.seals.holder import Holder
from simulators.passport.seals.issuer import SealContent, SealIssuer

_DAY = timedelta(days=1)


class BarcodeAuthority:
    """An authority of Utopia: one signer for travel, one for health."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)
        self.state = IssuingState.create(now=self.now)
        self.travel = SealIssuer(self.state, curve="secp256r1")
        self.health = SealIssuer(self.state, curve="secp256r1", usages=())

    def issue(self, kind: BarcodeKind, document: Document, fault: SealFault | None = None) -> bytes:
        """Return the text of a barcode for the holder of a document, signed 30 days ago."""
        content = self._content(kind, Holder.of(document, self.now.date()))
        return (self.travel if isinstance(content, idb.Idb) else self.health).issue(content, fault)

    def write(self, folder: Path, list_age_days: float = 0.0) -> None:
        """Write the public files: certificates in PEM, the list of health signers as WHO publishes it."""
        travel, health = folder / "seal-signers", folder / "health-signers"
        for each in (travel, health):
            each.mkdir(parents=True, exist_ok=True)
        certificates = (_pem(signer.certificate.der) for signer in self.travel.listed)
        (travel / "signers.pem").write_bytes(b"".join(certificates))
        made = self.now - timedelta(days=list_age_days)
        (health / "trustlist.json").write_bytes(self.health.did_document(made))

    def _content(self, kind: BarcodeKind, holder: Holder) -> SealContent:
        alpha_2, alpha_3 = self.state.state.alpha_2, self.state.state.alpha_3
        signed, given = self.now - 30 * _DAY, (self.now - 60 * _DAY).date()
        if kind is BarcodeKind.TRAVEL_AUTHORIZATION:
            valid = (signed.date(), (signed + 365 * _DAY).date())
            return idb.travel_authorization(
                holder, number="DTA12345", valid=valid, issuer=alpha_3, signed_on=signed.date()
            )
        if kind is BarcodeKind.PROOF_OF_VACCINATION:
            return idb.proof_of_vaccination(
                holder, number="U0193", given_on=given, issuer=alpha_3, signed_on=signed.date()
            )
        if kind is BarcodeKind.YELLOW_CARD:
            scheme, content = (
                hcert.ICVP,
                hcert.yellow_card(
                    holder, given_on=given, valid_from=given + 10 * _DAY, centre="Harbour Clinic"
                ),
            )
        else:
            scheme, content = (
                hcert.EU_DCC,
                hcert.dcc_vaccination(holder, given_on=given, country=alpha_2, centre="Ministry of Health"),
            )
        return hcert.HealthCertificate(
            issuer=alpha_2, scheme=scheme, content=content, issued=signed, expires=signed + 365 * _DAY
        )


def _pem(certificate: bytes) -> bytes:
    body = base64.encodebytes(certificate)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
