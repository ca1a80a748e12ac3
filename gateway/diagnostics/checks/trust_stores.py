"""Checks of trust stores, with which chips and seals of documents are verified: present, readable, valid."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.findings import make_finding, make_ok_finding

if TYPE_CHECKING:
    from drivers.passport.barcodes import BarcodeSettings
    from drivers.passport.emrtd.pki.trust_store import TrustStore

HEALTH_SOURCE = "a current list of signers, from your health authority or WHO's trust network (GDHCN)"
AGING = 0.7
"""Share of the age a list may have after which it is a warning."""
SHOWN = 5
"""Most entries of a trust store that a finding names."""
SOURCE = "your state's CSCA certificates and the ICAO master list, from the authority that issues passports"


def check_trust_stores(position: str, device: DeviceSettings, now: datetime) -> Iterator[Finding]:
    """Check every trust store that a device's settings name, or should name."""
    for key, places in _stores(device.settings):
        if not places:
            # Seals may be trusted by configuration alone; chips may not.
            if key.startswith("chip."):
                yield make_finding(
                    "no_trust_store",
                    "warning",
                    position,
                    "No trust store is configured: the genuineness of chips cannot be verified here.",
                    Action.CONFIGURE,
                    f'Put {SOURCE} into a folder, and write trust = ["FOLDER"] under '
                    f'[device."{position}".{key.partition(".")[0]}].',
                )
            continue
        yield from _check_store(position, places, now)
    for barcodes in _settings_with(device.settings, "health_signers"):
        if barcodes.health_signers:
            yield from _check_health_lists(position, barcodes, now)


def _check_health_lists(position: str, settings: "BarcodeSettings", now: datetime) -> Iterator[Finding]:
    """Check the signers of health certificates: present, readable, and no list older than it may be."""
    try:
        from drivers.passport.seals.hcert.trust_list import HealthTrustLists
    except ImportError:
        return  # The missing extra has a finding of its own.
    where = ", ".join(map(str, settings.health_signers))
    max_age = timedelta(days=settings.health_list_max_age_days)
    lists = HealthTrustLists.load(*settings.health_signers)
    fault = f" ({lists.faults[0]})" if lists.faults else ""
    if not lists.keys:
        yield make_finding(
            "no_health_signers",
            "error",
            position,
            f"{where} has no signer of health certificates{fault}: their genuineness cannot be verified.",
            Action.CONFIGURE,
            f"Copy into it {HEALTH_SOURCE}; then: sudo systemctl restart borderpost",
        )
        return
    late = [(name, made) for name, made in lists.list_dates if now - made > max_age]
    aging = [
        (name, made)
        for name, made in lists.list_dates
        if now - made > max_age * AGING and (name, made) not in late
    ]
    for name, made in (*late, *aging):
        is_late = (name, made) in late
        effect = "so its" if is_late else f"and from {max_age.days} days on its"
        yield make_finding(
            "health_list_outdated",
            "error" if is_late else "warning",
            position,
            f"The list {name} of signers of health certificates is {(now - made).days} days old, "
            f"{effect} signers count as undetermined.",
            Action.CALL_SUPPORT,
            f"Obtain {HEALTH_SOURCE}, and replace the file.",
        )
    expired = [key for key in lists.keys if key.certificate is not None and key.certificate.not_after < now]
    if len(expired) == len(lists.keys):
        yield make_finding(
            "health_signers_expired",
            "error",
            position,
            f"All {len(lists.keys)} signers' certificates in {where} have expired: the genuineness of health "
            "certificates cannot be verified.",
            Action.CALL_SUPPORT,
            f"Obtain {HEALTH_SOURCE}.",
        )
    elif not late:
        yield make_ok_finding(
            "no_health_signers",
            position,
            f"{where} has {len(lists.keys) - len(expired)} signers of health certificates.",
        )
    if lists.faults:
        yield make_finding(
            "health_signers_invalid",
            "notice",
            position,
            f"{len(lists.faults)} entries of {where} are unusable: {_first_of(lists.faults)}.",
            Action.CONFIGURE,
            "Remove those files, or obtain them again.",
        )


def _check_store(position: str, places: tuple[Path, ...], now: datetime) -> Iterator[Finding]:
    where = ", ".join(map(str, places))
    try:
        from drivers.passport.emrtd.pki.trust_store import TrustStore
    except ImportError:
        return  # The missing extra has a finding of its own.
    store = TrustStore.load(*places)
    fault = f" ({store.faults[0]})" if store.faults else ""
    if not store.authorities:
        yield make_finding(
            "no_trust_store",
            "error",
            position,
            f"The trust store {where} has no certificate of any state{fault}: "
            "the genuineness of documents cannot be verified.",
            Action.CONFIGURE,
            f"Copy into it {SOURCE}; then: sudo systemctl restart borderpost",
        )
        return
    yield from _in_force(position, where, store, now)
    if store.faults:
        yield make_finding(
            "trust_store_invalid",
            "notice",
            position,
            f"{len(store.faults)} entries of the trust store {where} are unusable: "
            f"{_first_of(store.faults)}.",
            Action.CONFIGURE,
            "Remove those files, or obtain them again.",
        )


def _first_of(texts: tuple[str, ...]) -> str:
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more


def _in_force(position: str, where: str, store: "TrustStore", now: datetime) -> Iterator[Finding]:
    total = len(store.authorities)
    expired = [it for it in store.authorities if it.not_after < now]
    if len(expired) == total:
        yield make_finding(
            "trust_store_expired",
            "error",
            position,
            f"All {total} states' certificates in {where} have expired: "
            "the genuineness of documents cannot be verified.",
            Action.CALL_SUPPORT,
            f"Get anew {SOURCE}.",
        )
    else:
        # Permanent: states do not issue such certificates anew, so they are no finding.
        notes = (
            f"; {len(store.notes)} deviate from the standard: {_first_of(store.notes)}" if store.notes else ""
        )
        yield make_ok_finding(
            "no_trust_store",
            position,
            f"The trust store {where} has {total - len(expired)} certificates of states{notes}.",
        )
    late = [it for it in store.revocation_lists if it.next_update is not None and it.next_update < now]
    if late:
        yield make_finding(
            "crl_outdated",
            "notice",
            position,
            f"{len(late)} of {len(store.revocation_lists)} revocation lists in {where} are out of date: "
            "a revoked signer may be accepted.",
            Action.CALL_SUPPORT,
            "Obtain newer lists from the authority that issues passports.",
        )


def _settings_with(settings: BaseModel, name: str) -> Iterator[Any]:
    """Yield every group of settings that has one of that name."""
    if name in type(settings).model_fields:
        yield settings
    for field in type(settings).model_fields:
        if isinstance(value := getattr(settings, field), BaseModel):
            yield from _settings_with(value, name)


def _stores(settings: BaseModel, at: str = "") -> Iterator[tuple[str, tuple[Path, ...]]]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "trust" and isinstance(value, tuple):
            yield f"{at}{name}", value
        elif isinstance(value, BaseModel):
            yield from _stores(value, f"{at}{name}.")
