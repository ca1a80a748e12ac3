"""Full-page reader with a chip under its glass: the real driver, and a simulated chip for each page.

The optional data of the printed zone says what is wrong with the chip: `FORGED`, `DEAD`, `SLOW`, `CLONED`.
"""

from collections.abc import AsyncGenerator
from typing import Any

from support.devices.pcsc_slot import FakePcscSlot, SlotLinkFactory

from drivers.links.factory import LinkFactory
from drivers.passport.chip_reading import ChipReader, ChipSettings
from drivers.passport.emrtd import TrustStore
from drivers.passport.fullpage import reader as fullpage
from drivers.passport.fullpage.bridge import BridgeReader
from drivers.passport.mrz.model import Mrz
from simulators.mrz import Document, Format
from simulators.passport.chip import Chip, IssuingState, Profile
from simulators.passport.chip import faults as fault

FAULTS: dict[str, tuple[fault.ChipFault, ...]] = {
    "FORGED": (fault.AlteredGroup(group=2), fault.AlteredSignature()),
    "CLONED": (fault.ClonedChip(),),
    "SLOW": (fault.SlowField(kbit_s=40),),
}


class ChipOfPage(ChipReader):
    """Reader of the chip that belongs to the page on the glass."""

    def __init__(self, settings: ChipSettings) -> None:
        self._issuer = IssuingState.create()
        self._slot = FakePcscSlot()
        trust = TrustStore.from_bytes(self._issuer.csca.der, self._issuer.crl())
        super().__init__(settings, SlotLinkFactory(self._slot), trust)

    async def read(self, printed: Mrz | None) -> AsyncGenerator[Any, None]:
        """Issue the chip of the printed zone, and read it."""
        self._slot.place(self._chip_of(printed) if printed is not None else None)
        async for step in super().read(printed):
            yield step

    def _chip_of(self, printed: Mrz) -> Chip | None:
        word = "".join(printed.optional_data)
        if word == "DEAD" or printed.birth_date is None or printed.expiry_date is None:
            return None
        document = Document(
            format=Format.TD3,
            code=printed.document_code,
            issuer=printed.issuer,
            number=printed.document_number,
            nationality=printed.nationality or "",
            surname=printed.primary_identifier,
            given_names=printed.secondary_identifier,
            birth=printed.birth_date.raw,
            sex=str(printed.sex or ""),
            expiry=printed.expiry_date.raw,
            optional=word,
        )
        return Chip.issue(document, self._issuer, Profile(), FAULTS.get(word, ()))


async def _open_chip_reader(settings: ChipSettings | None, _links: LinkFactory) -> ChipReader | None:
    return None if settings is None else ChipOfPage(settings)


class ChipPageReader(BridgeReader):
    """The real driver; only the slot is simulated."""

    async def open(self) -> Any:
        """Open the reader, with chips of this module."""
        fullpage.open_chip_reader = _open_chip_reader
        return await super().open()
