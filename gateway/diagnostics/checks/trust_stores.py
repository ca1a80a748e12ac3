"""Checks of trust stores, with which chips and seals of documents are verified: present, readable, valid."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import DeviceSettings
from gateway.diagnostics.findings import make_finding, make_ok_finding

if TYPE_CHECKING:
    from drivers.passport.emrtd.pki.trust_store import TrustStore

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
            f"{len(store.faults)} entries of the trust store {where} are unusable; "
            f"the first: {store.faults[0]}.",
            Action.CONFIGURE,
            "Remove those files, or obtain them again.",
        )


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
        yield make_ok_finding(
            "no_trust_store",
            position,
            f"The trust store {where} has {total - len(expired)} certificates of states.",
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


def _stores(settings: BaseModel, at: str = "") -> Iterator[tuple[str, tuple[Path, ...]]]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "trust" and isinstance(value, tuple):
            yield f"{at}{name}", value
        elif isinstance(value, BaseModel):
            yield from _stores(value, f"{at}{name}.")
