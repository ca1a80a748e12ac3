"""Barcodes of the simulated authority: each fault fails its own checks, with the lists that it writes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from seal_reasons import PRINTED, TODAY, Reasons, reasons
from support.patience import PATIENCE_S

from drivers.links.factory import LinkFactory
from drivers.observation import Check, Outcome
from drivers.passport.mrz_serial import MrzSerial, MrzSerialSettings
from drivers.passport.observations import BarcodeRead, DocumentRead
from drivers.passport.seals.hcert.trust_list import HealthTrustLists
from drivers.passport.seals.store import SealSignerStore
from simulators.cast.members import CAST
from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.barcodes import BarcodeKind
from simulators.passport.seals import (
    AlteredField,
    AlteredSignature,
    AnySealFault,
    EarlySigner,
    ExpiredSigner,
    RevokedSigner,
    TruncatedSeal,
    UnknownProfile,
    WrongSigner,
)
from simulators.passport.seals.authority import BarcodeAuthority
from simulators.passport.serial_mrz import SerialMrz, SerialMrzSettings
from simulators.specimens import ERIKSSON

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
IDB, HEALTH = BarcodeKind.TRAVEL_AUTHORIZATION, BarcodeKind.YELLOW_CARD
SIGNER_CHECKS = ("seal.signature", "seal.certificate", "seal.issuing_state")
UNKNOWN_SIGNER = dict.fromkeys(SIGNER_CHECKS, ("undetermined", "signer_unknown"))
WRONG = {"seal.signature": ("failed", "signature_wrong")}
UNREADABLE = {
    "seal.readable": ("failed", "seal_malformed"),
    **dict.fromkeys(
        (*SIGNER_CHECKS, "combined.mrz_vs_seal", "seal.not_expired"), ("undetermined", "seal_malformed")
    ),
}
UNKNOWN_KIND = {
    "seal.readable": ("undetermined", "profile_unknown"),
    "combined.mrz_vs_seal": ("undetermined", "nothing_in_common"),
}
NO_EXPIRY = {"seal.not_expired": ("not_supported", "no_expiry")}


def shown(kind: BarcodeKind, fault: AnySealFault | None, folder: Path, list_age_days: float = 0) -> Reasons:
    """Issue a barcode, write the lists, and check it with them as an operator's gateway does."""
    authority = BarcodeAuthority(NOW)
    text = authority.issue(kind, ERIKSSON[Format.TD3], fault).decode()
    authority.write(folder, list_age_days)
    store = SealSignerStore.load(folder / "seal-signers")
    health = HealthTrustLists.load(folder / "health-signers")
    assert (store.faults, health.faults) == ((), ())
    return reasons(text, store, PRINTED, TODAY, health)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (BarcodeKind.TRAVEL_AUTHORIZATION, {}),
        (BarcodeKind.PROOF_OF_VACCINATION, NO_EXPIRY),
        (BarcodeKind.YELLOW_CARD, {}),
        (BarcodeKind.VACCINATION_CERTIFICATE, {}),
    ],
)
def test_genuine_barcode(kind: BarcodeKind, expected: Reasons, tmp_path: Path) -> None:
    assert shown(kind, None, tmp_path) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (AlteredField(), WRONG),
        (AlteredSignature(), WRONG),
        (WrongSigner(), WRONG),
        (ExpiredSigner(), {"seal.certificate": ("failed", "certificate_expired")}),
        (EarlySigner(), {"seal.certificate": ("failed", "signed_too_early")}),
        (RevokedSigner(), UNKNOWN_SIGNER),
        (TruncatedSeal(at=100), UNREADABLE),
        (UnknownProfile(), UNKNOWN_KIND | NO_EXPIRY),
    ],
    ids=lambda value: getattr(value, "fault", ""),
)
def test_fault_of_idb(fault: AnySealFault, expected: Reasons, tmp_path: Path) -> None:
    assert shown(IDB, fault, tmp_path) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (AlteredField(), WRONG | {"combined.mrz_vs_seal": ("failed", "differs_from_seal")}),
        (AlteredSignature(), WRONG),
        (WrongSigner(), WRONG),
        # WHO's list has keys without their certificates, so it is the list that ends a key's validity.
        (ExpiredSigner(), {}),
        (RevokedSigner(), UNKNOWN_SIGNER),
        (TruncatedSeal(at=100), UNREADABLE),
        (UnknownProfile(), UNKNOWN_KIND),
    ],
    ids=lambda value: getattr(value, "fault", ""),
)
def test_fault_of_health_certificate(fault: AnySealFault, expected: Reasons, tmp_path: Path) -> None:
    assert shown(HEALTH, fault, tmp_path) == expected


@pytest.mark.parametrize(("age_days", "is_stale"), [(30, False), (31, True)])
def test_old_list_makes_signers_undetermined(age_days: float, is_stale: bool, tmp_path: Path) -> None:
    stale = {"seal.certificate": ("undetermined", "trust_list_stale")}
    assert shown(HEALTH, None, tmp_path, age_days) == (stale if is_stale else {})


def test_list_of_certificates_ends_with_them() -> None:
    authority = BarcodeAuthority(NOW)
    text = authority.issue(HEALTH, ERIKSSON[Format.TD3], ExpiredSigner()).decode()
    lists = HealthTrustLists.from_bytes(authority.health.trust_list(NOW - timedelta(days=1)))
    expired = {"seal.certificate": ("failed", "certificate_expired")}
    assert reasons(text, None, PRINTED, TODAY, lists) == expired


@asynccontextmanager
async def swipe_reader(
    tmp_path: Path,
) -> AsyncIterator[tuple[SerialMrz, AsyncIterator[Any]]]:
    """Run the whole driver on the simulated reader's line, with the files that its authority writes."""
    authority = tmp_path / "authority"
    reader = SerialMrzSettings.model_validate(
        {
            "name": "lane-1/reader",
            "kind": "serial-mrz",
            "framing": "accessis",
            "path": tmp_path / "reader",
            "barcodes": {"authority_dir": authority},
        }
    ).build()
    assert isinstance(reader, SerialMrz)
    settings = {
        "port": str(tmp_path / "reader"),
        "framing": "accessis",
        "barcodes": {
            "signers": [authority / "seal-signers"],
            "health_signers": [authority / "health-signers"],
        },
    }
    links = LinkFactory()
    driver = MrzSerial(MrzSerialSettings.model_validate(settings), links)
    async with reader.line:
        await driver.open()
        await reader.line.wait_for_host()
        async with aclosing(driver.watch()) as observations, asyncio.timeout(PATIENCE_S):
            yield reader, observations
        await driver.close()
        await links.close()


async def test_travellers_at_reader_show_barcodes(tmp_path: Path) -> None:
    async with swipe_reader(tmp_path) as (reader, observations):
        for kind in BarcodeKind:
            await reader.handle_command("insert", {"format": "TD3", "barcode": kind})
            assert isinstance(await anext(observations), DocumentRead)
            read = await anext(observations)
            assert isinstance(read, BarcodeRead)
            assert {check.reason for check in read.checks} <= {None, "no_printed_mrz", "no_expiry"}


async def test_every_member_of_the_cast_is_swiped_and_shows_its_barcode(tmp_path: Path) -> None:
    async with swipe_reader(tmp_path) as (reader, observations):
        for name, member in CAST.items():
            if not member.presentation().lines:
                with pytest.raises(SimulatorError, match="has no zone"):
                    await reader.handle_command("insert", {"member": name})
                continue
            answer = await reader.handle_command("insert", {"member": name})
            read = await anext(observations)
            assert list(read.lines) == answer["lines"]
            made = {check.id for check in read.checks}
            assert wrong(read.checks) == {check for check in member.says if check in made}, name
            if member.presentation().barcode is not None:
                shown_code = await anext(observations)
                assert isinstance(shown_code, BarcodeRead)
                assert wrong(shown_code.checks) == {one for one in member.says if one.startswith("seal.")}, (
                    name
                )


def wrong(checks: Iterable[Check]) -> set[str]:
    """Return the ids of checks that are neither successful nor about a missing feature."""
    return {
        one.id
        for one in checks
        if one.outcome in (Outcome.FAILED, Outcome.UNDETERMINED) and one.reason != "no_printed_mrz"
    }
