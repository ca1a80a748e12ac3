"""Sessions with simulated chips of one state: documents, their checks, and a slot without a service."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from drivers.passport.chip_result import ChipProgress, ChipResult
from drivers.passport.emrtd import CardRemoved, ChipSession, NotTransacted, RetriesExhaustedError, TrustStore
from drivers.passport.mrz import Mrz
from drivers.passport.mrz.parser import parse
from simulators.mrz import Document, Format
from simulators.passport.chip import Access, CardRemovedError, Chip, IssuingState, Profile
from simulators.passport.chip.faults import ChipFault, FieldLostError
from simulators.travellers import TravellerGenerator

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
UTOPIA = IssuingState.create(now=NOW)
TRUST = TrustStore.from_bytes(UTOPIA.csca.der, UTOPIA.crl())
TRAVELLER = TravellerGenerator(7).document(Format.TD3, issuer="UTO")
OTHER = TravellerGenerator(8).document(Format.TD3, issuer="UTO")

Outcomes = dict[str, tuple[str, str | None]]


def zone(lines: Iterable[str]) -> Mrz:
    mrz = parse(tuple(lines), TODAY)
    assert mrz is not None
    return mrz


def issued(
    profile: Profile | None = None,
    *faults: ChipFault,
    document: Document = TRAVELLER,
    issuer: IssuingState = UTOPIA,
) -> Chip:
    return Chip.issue(document, issuer, profile or Profile(access=Access.BAC), faults)


def outcomes(result: ChipResult) -> Outcomes:
    """Return outcome and reason of each check."""
    assert len({check.id for check in result.checks}) == len(result.checks)
    return {check.id: (check.outcome.value, check.reason) for check in result.checks}


def unlike_good(result: ChipResult) -> Outcomes:
    """Return those of the checks that a document with all its features would not have."""
    good = {("successful", None), ("not_supported", "not_in_document")}
    return {name: how for name, how in outcomes(result).items() if how not in good}


class ChipSlot:
    """A slot with documents on it, which answer in turn after each power-up."""

    def __init__(self, *chips: Chip, passes_extended: bool = True, power_ups: int = 500) -> None:
        self.chips = list(chips)
        self.passes_extended = passes_extended
        self.power_ups_left = power_ups
        self.extended = 0
        """Number of commands with lengths in extended form."""
        self.before_power_up: Callable[[], None] = lambda: None
        self.before_command: Callable[[], None] = lambda: None

    def transmit(self, command: bytes) -> bytes:
        self.before_command()
        if len(command) >= 7 and command[4] == 0:
            self.extended += 1
            if not self.passes_extended:
                raise NotTransacted
        try:
            return self.chips[0].transmit(command)
        except FieldLostError:
            raise NotTransacted from None
        except CardRemovedError:
            raise CardRemoved from None

    def power_up(self) -> None:
        self.power_ups_left -= 1
        if self.power_ups_left < 0:
            raise RetriesExhaustedError
        self.before_power_up()
        self.chips = self.chips[1:] + self.chips[:1]
        if not self.chips[0].present:
            raise CardRemoved
        self.chips[0].reset()

    def run(self, **options: Any) -> tuple[list[ChipProgress], ChipResult]:
        """Run a session with the traveller's zone; return its progress and its result."""
        given = {"today": TODAY, "printed": zone(TRAVELLER.lines), "trust": TRUST, "power_up": self.power_up}
        *progress, result = ChipSession(self.transmit, **{**given, **options}).run()
        assert isinstance(result, ChipResult)
        steps = [step for step in progress if isinstance(step, ChipProgress)]
        assert len(steps) == len(progress)
        return steps, result

    def read(self, **options: Any) -> ChipResult:
        return self.run(**options)[1]
