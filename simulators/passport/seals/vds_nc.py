"""Seals in JSON (ICAO technical report VDS-NC): `data` is signed in its RFC 8785 form.

The messages here have only integers and ASCII names, so sorted keys and compact separators suffice for that
form.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from simulators.passport.seals.signer import SealSigner


def proof_of_test(*, name: str, birth: str, document_number: str, country: str) -> dict[str, Any]:
    """Return the message of a test, type icao.test."""
    return {
        "utci": "U01932",
        "pid": {"n": name, "dob": birth, "dt": "P", "dn": document_number},
        "sp": {
            "spn": "General Hospital",
            "ctr": country,
            "cd": {"p": "+00068765432", "e": "desk@hospital.example", "a": "12 Utopia Street"},
        },
        "dat": {"sc": "2026-12-12T12:00:00+08:00", "ri": "2026-12-13T14:00:00+08:00"},
        "tr": {"tc": "molecular(PCR)", "r": "negative", "m": "nasopharyngeal"},
    }


def proof_of_vaccination(
    *, name: str, birth: str, sex: str, document_number: str, country: str
) -> dict[str, Any]:
    """Return the message of a vaccination of two doses, type icao.vacc."""
    doses = [
        {"dvc": "2026-03-03", "seq": 1, "ctr": country, "adm": "Harbour Clinic", "lot": "VC35679"},
        {"dvc": "2026-03-24", "seq": 2, "ctr": country, "adm": "Harbour Clinic", "lot": "VC87540"},
    ]
    return {
        "uvci": "U32870",
        "pid": {"n": name, "dob": birth, "sex": sex, "i": document_number},
        "ve": [{"des": "XM68M6", "nam": "Utovax", "dis": "RA01.0", "vd": doses}],
    }


def sign(
    message: Mapping[str, Any],
    signer: SealSigner,
    *,
    kind: str,
    issuer: str,
    version: int = 1,
    key_of: SealSigner | None = None,
    altered: Mapping[str, Any] | None = None,
    certificate: bool = True,
) -> bytes:
    """Return the seal as in a barcode; `altered` replaces the message after the signature."""
    header = {"t": kind, "v": version, "is": issuer}
    signature = (key_of or signer).sign(canonical({"hdr": header, "msg": message}))
    zone = {"alg": signer.algorithm}
    if certificate:
        zone["cer"] = _base64url(signer.certificate.der)
    zone["sigvl"] = _base64url(signature)
    whole = {"data": {"hdr": header, "msg": altered if altered is not None else message}, "sig": zone}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii")
