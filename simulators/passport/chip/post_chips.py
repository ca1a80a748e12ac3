"""Chips of the documents of one reader of a post, with the certificates that an operator is given."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from simulators.cast.member import ChipOrder
from simulators.errors import SimulatorError
from simulators.mrz import Document, Format
from simulators.passport.chip.chip import Chip
from simulators.passport.chip.faults import AlteredGroup, ChipFault
from simulators.passport.chip.listening_slot import ListeningSlot
from simulators.passport.chip.pki.certificate import Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.profile import ActiveAuthentication, Profile


class ChipSettings(BaseModel):
    """Chips of a reader, at a slot that the gateway opens as `vpcd://127.0.0.1:PORT`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int = Field(ge=1, le=65535, description="TCP port of the slot.")
    trust: Path = Field(
        description="Folder for the certificate, the revocation list and the master list of the state that "
        "issues the documents."
    )
    forged: float = Field(default=0.0, ge=0, le=1, description="Share of chips with another face.")
    dead: float = Field(default=0.0, ge=0, le=1, description="Share of passports whose chip does not answer.")

    @field_validator("trust")
    @classmethod
    def _absolute(cls, trust: Path) -> Path:
        if not trust.is_absolute():
            raise ValueError(f"{trust} is not an absolute path")
        return trust


class PostChips:
    """Issuing state and slot of one reader."""

    def __init__(self, settings: ChipSettings, seed: int) -> None:
        """Write the state's files, before a host can open the reader; raises SimulatorError."""
        self._settings = settings
        self._issuer = IssuingState.create()
        self._issuer.revoke_signer_beforehand()
        self._stale_issuer = IssuingState.create()
        """The same state with another CSCA, whose revocation list is out of date at the post."""
        self._chance = Random(f"{seed}/chips")
        self._slot = ListeningSlot(settings.port)
        write_trust(settings.trust, self._issuer)
        write_stale_trust(settings.trust, self._stale_issuer)

    async def __aenter__(self) -> Self:
        await self._slot.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._slot.__aexit__(kind, error, trace)

    async def place(self, document: Document | None) -> str:
        """Put the chip of a passport on the slot, in place of the one before.

        Returns `genuine`, `forged`, `dead`, or `none` for a document that has no chip.
        """
        await self._slot.remove()
        if document is None or document.format is not Format.TD3:
            return "none"
        drawn, faults = self._chance.random(), list[ChipFault]()
        if drawn < self._settings.dead:
            return "dead"
        if drawn < self._settings.dead + self._settings.forged:
            faults = [AlteredGroup(group=2)]
        await self._issue(document, Profile(), faults)
        return "forged" if faults else "genuine"

    async def place_made(self, order: ChipOrder | None) -> str:
        """Put the chip of a member of the cast on the slot; returns `made`, or `dead` without one."""
        await self._slot.remove()
        if order is None:
            return "dead"
        active = ActiveAuthentication.ECDSA if order.proves_original else None
        issuer = self._stale_issuer if order.is_list_stale else self._issuer
        await self._issue(order.document, Profile(active_authentication=active), order.faults, issuer)
        return "made"

    async def _issue(
        self,
        document: Document,
        profile: Profile,
        faults: Sequence[ChipFault],
        issuer: IssuingState | None = None,
    ) -> None:
        chip = await asyncio.to_thread(Chip.issue, document, issuer or self._issuer, profile, faults)
        await self._slot.place(chip)

    async def remove(self) -> None:
        """Take the chip away."""
        await self._slot.remove()


def write_trust(folder: Path, issuer: IssuingState) -> None:
    """Write the CSCA, the revocation list and a master list, as an operator would get them, all in DER.

    Raises SimulatorError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "csca.cer").write_bytes(issuer.csca.der)
        (folder / "csca.crl").write_bytes(issuer.crl())
        (folder / "master-list.ml").write_bytes(issuer.master_list([issuer.csca]))
    except OSError as error:
        raise SimulatorError(f"trust: {error.filename}: {error.strerror}") from error


def write_stale_trust(folder: Path, issuer: IssuingState) -> None:
    """Write a CSCA with a revocation list that ended a month ago; raises SimulatorError."""
    day = timedelta(days=1)
    ended = Validity.spanning(issuer.now, before=120 * day, after=-30 * day)
    try:
        (folder / "csca-old-list.cer").write_bytes(issuer.csca.der)
        (folder / "csca-old-list.crl").write_bytes(issuer.crl(validity=ended))
    except OSError as error:
        raise SimulatorError(f"trust: {error.filename}: {error.strerror}") from error
