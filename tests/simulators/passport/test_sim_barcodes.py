"""Simulated IDB barcodes and health certificates, against published ones and against libraries."""

import asyncio
import base64
import hashlib
import json
import subprocess
import sys
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from sim_host import Host
from support.patience import PATIENCE_S

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.barcodes import BarcodeKind
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.pki.signing_keys import Algorithm, SignatureScheme
from simulators.passport.seals import Holder, RevokedSigner, SealIssuer, c40, cbor, hcert
from simulators.passport.seals.authority import BarcodeAuthority
from simulators.passport.seals.idb import Idb, Message, encode_date
from simulators.passport.serial_mrz import SerialMrzSettings
from simulators.postfile import load_post
from simulators.specimens import ERIKSSON

SAMPLES = Path(__file__).parents[2] / "drivers/passport/seals/samples"
PUBLISHED: dict[str, str] = json.loads((SAMPLES / "idb.json").read_text())
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
UTOPIA = IssuingState.create(now=NOW)
PASSPORT = ERIKSSON[Format.TD3]
HOLDER = Holder.of(PASSPORT, NOW.date())
CARD = hcert.HealthCertificate(
    issuer="UT",
    scheme=hcert.ICVP,
    content=hcert.yellow_card(
        HOLDER, given_on=date(2026, 12, 1), valid_from=date(2026, 12, 11), centre="Port"
    ),
    issued=NOW - timedelta(days=20),
    expires=NOW + timedelta(days=300),
)


class PublishedSigner:
    """Signer of the published barcodes, whose key is not published."""

    algorithm = "ES256"

    def fingerprint(self, hash_name: str) -> bytes:
        pem = (SAMPLES / "sealgen_UTTS5B.pem").read_bytes()
        der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        return hashlib.new(hash_name, der).digest()


def text(value: str) -> bytes:
    return c40.encode(value.replace("\n", ""))


# Contents of published barcodes, as tsenger/vdstools prints them.
CONTENTS: dict[str, tuple[date, tuple[Message, ...]]] = {
    "certificate_of_permanent_residence": (
        date(2025, 2, 11),
        (Message(130, text("123456789")), Message(131, text("ABC123456DEF")), Message(134, b"\x10")),
    ),
    "provisional_residence_document": (
        date(2025, 2, 11),
        (
            Message(129, text("ABD<<RESIDORCE<<ROLAND<<<<<<<<<<<<<<\n6525845096USA7008038M2201018T2506012")),
            Message(130, text("123456789")),
            Message(131, text("ABC123456DEF")),
            Message(134, b"\x0e"),
        ),
    ),
    "supplementary_sheet_for_residence_permit": (
        date(2025, 2, 11),
        (
            Message(
                7,
                text(
                    "AZD<<5W1ETCGE25<<<<<<<<<<<<<<<\n8703123F2908258CHL<<<<<<<<<<<4\n"
                    "BORIC<<BRYAN<<<<<<<<<<<<<<<<<<"
                ),
            ),
            Message(130, text("5W1ETCGE2")),
            Message(133, text("ABCDEFGHI")),
            Message(134, b"\x12"),
        ),
    ),
    "visa": (
        date(2026, 3, 24),
        (
            Message(
                1,
                (
                    Message(3, b"\x01"),
                    Message(4, b"\x90"),
                    Message(5, text("C000000736")),
                    Message(
                        1,
                        text(
                            "P<D<<GARCIA<<EVELYN<<<<<<<<<<<<<<<<<<<<<<<<<\n"
                            "B870L41688D<<8108108F3507050<<<<<<<<<<<<<<08"
                        ),
                    ),
                ),
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_barcode_matches_published_one(name: str) -> None:
    published = PUBLISHED[name].rstrip("=")
    content = base64.b32decode(published[5:] + "=" * (-len(published[5:]) % 8))
    signed_on, messages = CONTENTS[name]

    made = Idb(issuer="D", messages=messages, signed_on=signed_on)

    assert made.barcode(PublishedSigner(), content[-64:]).decode() == published  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "encoded"), [("2026-04-23", "0040935a"), ("1974-xx-xx", "f00007b6"), ("xxxx-12-31", "0fbbd5f0")]
)
def test_dates_with_unknown_digits(day: str, encoded: str) -> None:
    assert encode_date(day).hex() == encoded


def test_holder_has_last_possible_century() -> None:
    births = ("280101", "2701<<", "740812", "<<<<<<")
    born = [Holder.of(replace(PASSPORT, birth=birth), NOW.date()).birth for birth in births]
    assert born == ["1928-01-01", "2027-01-xx", "1974-08-12", "xxxx-xx-xx"]
    odd = replace(PASSPORT, surname="Öx-Gåetti", given_names="")
    assert Holder.of(odd, NOW.date()).zone_name == "OEX GAAETTI"


# RFC 8949, appendix A.
@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000, "1903e8"),
        (1000000, "1a000f4240"),
        (18446744073709551615, "1bffffffffffffffff"),
        (-1, "20"),
        (-1000, "3903e7"),
        (1.1, "fb3ff199999999999a"),
        (False, "f4"),
        (True, "f5"),
        (None, "f6"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("\u6c34", "63e6b0b4"),
        ([1, [2, 3], [4, 5]], "8301820203820405"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
        (cbor.Tag(1, 1363896240), "c11a514b67b0"),
    ],
)
def test_cbor_examples(value: object, encoded: str) -> None:
    assert cbor.encode(value).hex() == encoded


def test_cbor_of_health_claims_is_canonical() -> None:
    claims = {4: 1, 1: "UT", -260: {-6: {"n": "A", "dob": "1974"}}}
    assert cbor.encode(claims) == cbor2.dumps(claims, canonical=True)


# RFC 9285, section 4.3.
@pytest.mark.parametrize(
    ("data", "encoded"),
    [(b"AB", b"BB8"), (b"Hello!!", b"%69 VD92EX0"), (b"base-45", b"UJCLQE7W581"), (b"", b"")],
)
def test_base45_examples(data: bytes, encoded: bytes) -> None:
    assert hcert.base45(data) == encoded


def decoded(barcode: bytes) -> Any:
    """Decode a health certificate without the simulator's code."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    digits = [alphabet.index(character) for character in barcode.decode().removeprefix("HC1:")]
    data = b""
    for at in range(0, len(digits), 3):
        group = digits[at : at + 3]
        data += sum(digit * 45**place for place, digit in enumerate(group)).to_bytes(len(group) - 1, "big")
    message = cbor2.loads(zlib.decompress(data))
    assert message.tag == 18
    return message.value


def test_health_certificate_is_signed_on_curve() -> None:
    issuer = SealIssuer(UTOPIA, curve="secp256r1", usages=())
    protected, unprotected, payload, signature = decoded(issuer.issue(CARD))

    assert cbor2.loads(protected) == {1: -7, 4: hashlib.sha256(issuer.signer.certificate.der).digest()[:8]}
    assert unprotected == {}
    assert cbor2.loads(payload)[-260][-6]["nid"] == "L898902C3"
    key = x509.load_der_x509_certificate(issuer.signer.certificate.der).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def test_health_certificate_is_signed_with_rsa() -> None:
    issuer = SealIssuer(UTOPIA, scheme=SignatureScheme(Algorithm.RSA_PSS), usages=())
    protected, _, payload, signature = decoded(issuer.issue(CARD))

    assert cbor2.loads(protected)[1] == -37
    key = x509.load_der_x509_certificate(issuer.signer.certificate.der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]), pss, hashes.SHA256())


def test_revoked_signer_leaves_lists() -> None:
    issuer = SealIssuer(UTOPIA, curve="secp256r1")
    issuer.issue(CARD, RevokedSigner())

    assert len(issuer.signers) == 2
    assert len(json.loads(issuer.trust_list(NOW))["certificates"]) == 1
    document = json.loads(issuer.did_document(NOW))
    assert len(document["verificationMethod"]) == 1
    assert document["proof"]["created"] == "2027-03-01T09:00:00+00:00"


def test_authority_writes_what_an_operator_is_given(tmp_path: Path) -> None:
    authority = BarcodeAuthority(NOW)
    authority.write(tmp_path, list_age_days=31)

    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "seal-signers/signers.pem",
        "health-signers/trustlist.json",
    }
    signer = x509.load_pem_x509_certificate((tmp_path / "seal-signers/signers.pem").read_bytes())
    signer.verify_directly_issued_by(x509.load_der_x509_certificate(authority.state.csca.der))
    made = json.loads((tmp_path / "health-signers/trustlist.json").read_text())["proof"]["created"]
    assert NOW - datetime.fromisoformat(made) == timedelta(days=31)


def settings(folder: Path, **more: Any) -> SerialMrzSettings:
    given = {"name": "lane-1/reader", "kind": "serial-mrz", "framing": "accessis", "path": folder / "reader"}
    return SerialMrzSettings.model_validate(given | more)


def test_travellers_show_barcodes_by_weight() -> None:
    shown = settings(
        Path("/run"), barcodes={"authority_dir": "/run/a", "kinds": {"yellow-card": 1}, "share": 0.25}
    ).barcodes
    assert shown is not None
    chance = Random(1)
    drawn = [shown.draw(chance) for _ in range(400)]
    assert set(drawn) == {None, BarcodeKind.YELLOW_CARD}
    assert 60 < drawn.count(BarcodeKind.YELLOW_CARD) < 140


def test_demo_post_has_a_reader_with_barcodes() -> None:
    (reader,) = load_post("config/demo-barcodes-post.toml", {"BORDERPOST_RUN": "/run/here"})
    assert isinstance(reader, SerialMrzSettings)
    assert reader.barcodes is not None
    assert reader.barcodes.authority_dir == Path("/run/here/authority")
    assert set(reader.barcodes.kinds) == set(BarcodeKind)


def test_settings_that_do_not_fit_are_refused() -> None:
    for wrong in (
        {"framing": "rte", "barcodes": {"authority_dir": "/run/a"}},
        {"barcodes": {"authority_dir": "/run/a", "kinds": {"yellow-card": 0}}},
        {"barcodes": {"authority_dir": "/run/a", "kinds": {"ticket": 1}}},
        {"barcodes": {}},
    ):
        with pytest.raises(ValueError, match="barcodes"):
            settings(Path("/run"), **wrong)


async def sent_until(host: Host, end: bytes) -> bytes:
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        while not data.endswith(end):
            data += host.port.read(4096)
            await asyncio.sleep(0.002)
    return data


async def test_barcode_follows_inserted_document(tmp_path: Path) -> None:
    reader = settings(tmp_path, barcodes={"authority_dir": tmp_path / "authority"}).build()
    async with reader.line:  # type: ignore[attr-defined]
        host = Host(tmp_path / "reader")
        try:
            for kind, mark in (("travel-authorization", b"RDB1B"), ("yellow-card", b"HC1:")):
                await reader.handle_command("insert", {"format": "TD3", "barcode": kind})
                sent = await sent_until(host, b"\x03\x1f")
                assert sent.startswith(b"\x1c\x02")
                assert b"\x1e\x021" + mark in sent
            await reader.handle_command(
                "insert", {"barcode": "yellow-card", "seal_fault": {"fault": "expired-signer"}}
            )
            listed = json.loads((tmp_path / "authority/health-signers/trustlist.json").read_text())
            assert len(listed["verificationMethod"]) == 2
            for wrong in (
                {"barcode": "ticket"},
                {"barcode": "yellow-card", "lines": ["P<UTO"]},
                {"barcode": "yellow-card", "seal_fault": {"fault": "burnt"}},
            ):
                with pytest.raises(SimulatorError, match="insert"):
                    await reader.handle_command("insert", wrong)
        finally:
            host.close()


def test_reader_without_barcodes_loads_no_cryptography() -> None:
    code = (
        "import sys, simulators.passport.serial_mrz, simulators.passport.barcodes; "
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
