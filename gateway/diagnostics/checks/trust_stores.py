"""Checks of trust stores, with which chips and seals of documents are verified: present, readable, valid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    from drivers.passport.emrtd.pki.certificates import Certificate
    from drivers.passport.emrtd.pki.trust_store import TrustStore

AGING = 0.7
"""Share of the age a list may have after which it is a warning."""
CLOCK_TOLERANCE = timedelta(days=1)
"""Time by which a list may be ahead of this machine's clock."""
SHOWN = 5
"""Most entries of a trust store that a finding names."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Words of the findings about one kind of trusted certificates."""

    code: str
    """Part of the codes: `no_CODE`, `CODE_expired`, `CODE_invalid`."""
    place: str
    """Name of the folders, before their paths."""
    content: str
    content_plural: str
    effect: str
    """Consequence if there are none, or expired ones only."""
    source: str


STATES = _Kind(
    "trust_store",
    "The trust store ",
    "certificate of any state",
    "certificates of states",
    "the genuineness of documents cannot be verified",
    "your state's CSCA certificates and the ICAO master list, from the authority that issues passports",
)
SEAL_SIGNERS = _Kind(
    "seal_signers",
    "",
    "certificate of a signer of seals",
    "signers of seals",
    "the genuineness of seals in barcodes cannot be verified",
    "the certificates of the signers of seals, from the authorities that issue the documents",
)
HEALTH_SIGNERS = _Kind(
    "health_signers",
    "",
    "signer of health certificates",
    "signers of health certificates",
    "the genuineness of health certificates cannot be verified",
    "a current list of signers, from your health authority or WHO's trust network (GDHCN)",
)


def check_trust_stores(position: str, device: DeviceSettings, now: datetime) -> Iterator[Finding]:
    """Check every trust store that a device's settings name, or should name."""
    for key, places in _stores(device.settings):
        if places:
            yield from _check_store(position, places, now)
        elif key.startswith("chip."):  # seals may be trusted by configuration alone; chips may not
            yield make_finding(
                "no_trust_store",
                "warning",
                position,
                "No trust store is configured: the genuineness of chips cannot be verified here.",
                Action.CONFIGURE,
                f'Put {STATES.source} into a folder, and write trust = ["FOLDER"] under '
                f'[device."{position}".{key.partition(".")[0]}].',
            )
    for barcodes in _settings_with(device.settings, "health_signers"):
        if barcodes.signers:
            yield from _check_seal_signers(position, barcodes.signers, now)
        if barcodes.health_signers:
            yield from _check_health_lists(position, barcodes, now)


def _check_store(position: str, places: tuple[Path, ...], now: datetime) -> Iterator[Finding]:
    try:
        from drivers.passport.emrtd.pki.trust_store import TrustStore
    except ImportError:
        return  # The missing extra has a finding of its own.
    store = TrustStore.load(*places)
    # Permanent: states do not issue such certificates anew, so they are no finding.
    notes = f"; {len(store.notes)} deviate from the standard: {_first_of(store.notes)}" if store.notes else ""
    yield from _check_certificates(position, STATES, places, store.authorities, store.faults, now, notes)
    if store.authorities:
        yield from _check_revocation_lists(position, _paths(places), store, now)


def _check_seal_signers(position: str, places: tuple[Path, ...], now: datetime) -> Iterator[Finding]:
    try:
        from drivers.passport.seals.store import SealSignerStore
    except ImportError:
        return
    store = SealSignerStore.load(*places)
    certificates = [signer.certificate for signer in store.signers]
    yield from _check_certificates(position, SEAL_SIGNERS, places, certificates, store.faults, now)


def _check_health_lists(position: str, settings: "BarcodeSettings", now: datetime) -> Iterator[Finding]:
    """Check the signers of health certificates: present, readable, and no list older than it may be."""
    try:
        from drivers.passport.seals.hcert.trust_list import HealthTrustLists
    except ImportError:
        return
    places = settings.health_signers
    lists = HealthTrustLists.load(*places)
    keys = [key.certificate for key in lists.keys]
    yield from _check_certificates(position, HEALTH_SIGNERS, places, keys, lists.faults, now)
    max_age = timedelta(days=settings.health_list_max_age_days)
    for name, made in sorted(lists.list_dates, key=lambda listed: listed[1]):
        age = now - made
        if age < -CLOCK_TOLERANCE:
            yield make_finding(
                "health_list_date_wrong",
                "warning",
                position,
                f"The list {name} of signers of health certificates is dated {made:%Y-%m-%d}, in the future, "
                "so its age cannot be watched.",
                Action.CONFIGURE,
                "Compare it with the date of this machine; if that is right, obtain "
                f"{HEALTH_SIGNERS.source}.",
            )
        if age <= max_age * AGING:
            continue
        is_late = age > max_age
        effect = "so its" if is_late else f"and from {max_age.days} days on its"
        yield make_finding(
            "health_list_outdated",
            "error" if is_late else "warning",
            position,
            f"The list {name} of signers of health certificates is {age.days} days old, "
            f"{effect} signers count as undetermined.",
            Action.CALL_SUPPORT,
            f"Obtain {HEALTH_SIGNERS.source}, replace the file, then: borderpost restart {position}",
        )


def _check_certificates(
    position: str,
    kind: _Kind,
    places: tuple[Path, ...],
    certificates: "Sequence[Certificate | None]",
    faults: tuple[str, ...],
    now: datetime,
    notes: str = "",
) -> Iterator[Finding]:
    """Check that there are certificates, and one in force; None stands for a key that has no certificate."""
    where, total = f"{kind.place}{_paths(places)}", len(certificates)
    if not certificates:
        fault = f" ({faults[0]})" if faults else ""
        yield make_finding(
            f"no_{kind.code}",
            "error",
            position,
            f"{where} has no {kind.content}{fault}: {kind.effect}.",
            Action.CONFIGURE,
            f"Copy into it {kind.source}; then: sudo systemctl restart borderpost",
        )
        return
    expired = sum(each is not None and each.not_after < now for each in certificates)
    if expired == total:
        owners = "states'" if kind is STATES else "signers'"
        yield make_finding(
            f"{kind.code}_expired",
            "error",
            position,
            f"All {total} {owners} certificates in {_paths(places)} have expired: {kind.effect}.",
            Action.CALL_SUPPORT,
            f"Obtain {kind.source}.",
        )
    else:
        yield make_ok_finding(
            f"no_{kind.code}", position, f"{where} has {total - expired} {kind.content_plural}{notes}."
        )
    if faults:
        yield make_finding(
            f"{kind.code}_invalid",
            "notice",
            position,
            f"{len(faults)} entries of {where[:1].lower()}{where[1:]} are unusable: {_first_of(faults)}.",
            Action.CONFIGURE,
            "Remove those files, or obtain them again.",
        )


def _check_revocation_lists(
    position: str, where: str, store: "TrustStore", now: datetime
) -> Iterator[Finding]:
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


def _paths(places: tuple[Path, ...]) -> str:
    return ", ".join(map(str, places))


def _first_of(texts: tuple[str, ...]) -> str:
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more


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
