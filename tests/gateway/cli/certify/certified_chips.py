"""Tests in a network namespace, run by test_certify_chip.py: `certify` reads chips through a real pcscd.

Daemon, broker, pty and pcscd are real; the documents, their chips and the technician are not.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from support.brokers.mosquitto import Mosquitto
from support.devices.chip_counter import SLOT, patiently
from support.devices.serial_readers import FRAMES
from support.gateway.gateways import GatewayFixture, gateway, until
from support.patience import PATIENCE_S
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli._certify.criteria import CHIP_READS, Verdict
from gateway.cli._certify.report import Report
from gateway.cli._certify.technician import Action, Task, TerminalTechnician
from gateway.cli._lib.api_client import ask, device_path
from simulators.mrz import Document, Format
from simulators.passport.chip import Chip, IssuingState, Profile, VpcdSlot
from simulators.passport.chip import faults as fault
from simulators.travellers import TravellerGenerator

__all__ = ["gateway"]

READER = "lane-1/reader"
UTOPIA = IssuingState.create()
PROFILE = Profile(details=False)
TRAVELLERS = TravellerGenerator(20261202)
CHIP_SLOT = """framing = "text"
[device."lane-1/reader".chip]
reader = "{slot}"
trust = ["{trust}"]
card_timeout_s = 5
retry_budget_s = {patience_s}
"""


class ScriptedTechnician(TerminalTechnician):
    """Technician who lifts the document before, lays the next one on the slot and swipes it."""

    def __init__(self, gateway: GatewayFixture, slot: VpcdSlot) -> None:
        self._gateway, self._slot = gateway, slot
        self._loop = asyncio.get_running_loop()
        self.names = set[str]()
        """Surnames and numbers of the documents."""
        self.upcoming = deque[tuple[Document, Chip | None]]()
        """Documents to present, in this order; None: one without a chip."""

    def begin(self, task: Task) -> None:
        super().begin(task)
        if task.action is Action.PRESENT:
            asyncio.run_coroutine_threadsafe(self._present(), self._loop).result(PATIENCE_S)

    def do(self, task: Task) -> bool:
        """Agree to everything."""
        self.say(f"  > {task.text}")
        return True

    def try_again(self, text: str) -> bool:
        raise AssertionError(text)

    def add(self, *faults: fault.ChipFault, has_chip: bool = True) -> None:
        document = TRAVELLERS.document(Format.TD3, issuer="UTO")
        chip = Chip.issue(document, UTOPIA, PROFILE, faults) if has_chip else None
        self.upcoming.append((document, chip))
        self.names |= {document.surname.upper(), document.number}

    async def _lift(self) -> None:
        """Lift the document, and wait until the gateway has noticed: a person is not faster."""
        if not self._slot.is_occupied:
            return
        await self._slot.remove()
        async with asyncio.timeout(PATIENCE_S):
            path = device_path(READER, "/events")
            last = ""
            while last != "document.removed":
                events = await asyncio.to_thread(ask, self._gateway.folder / "state", path)
                last = events[-1]["type"]

    async def _present(self) -> None:
        await self._lift()
        document, chip = self.upcoming.popleft()
        if chip is not None:
            await patiently(lambda: self._slot.insert(chip))
        await self._gateway.wires[READER].send(FRAMES["text"](document.lines))


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with Mosquitto() as broker:
        yield broker


@pytest.fixture
async def technician(
    gateway: GatewayFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ScriptedTechnician]:
    """Run a gateway whose reader has a slot, and put a technician at it."""
    gateway.silent_s = PATIENCE_S
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "csca.cer").write_bytes(UTOPIA.csca.der)
    (trust / "csca.crl").write_bytes(UTOPIA.crl())
    more = CHIP_SLOT.format(slot=SLOT, trust=trust, patience_s=PATIENCE_S)
    gateway.describe(READER, "mrz-serial", more)
    await gateway.wire(READER)
    async with VpcdSlot() as slot:
        await gateway.start()
        await until(
            lambda: '"online"' in gateway.log and (gateway.folder / "state" / "console.sock").exists()
        )
        technician = ScriptedTechnician(gateway, slot)
        monkeypatch.setattr("gateway.cli.certify.TerminalTechnician", lambda: technician)
        yield technician
        await slot.remove()
        await gateway.stop()


async def certify_chip(gateway: GatewayFixture) -> tuple[Result, Report]:
    folder = gateway.folder / "report"
    words = ["certify", str(gateway.config), READER, "--out", str(folder), "--only", "chip"]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert (folder / "report.json").exists(), done.output
    return done, Report.model_validate_json((folder / "report.json").read_bytes())


async def test_chips_are_read_whole(gateway: GatewayFixture, technician: ScriptedTechnician) -> None:
    """Five documents, one of them without a chip: it may be missed."""
    technician.add()
    technician.add()
    technician.add(has_chip=False)
    technician.add()
    technician.add()
    done, report = await certify_chip(gateway)

    chip = report.facts.chip
    assert chip is not None, done.output
    assert (chip.tried, chip.good, chip.openings) == (CHIP_READS, 4, 4), done.output
    assert chip.outcomes["chip.access"]["successful"] == 4
    assert chip.outcomes["combined.mrz_vs_dg1"] == {"successful": 4}
    (verdict,) = [each.verdict for each in report.criteria if each.id == "chip"]
    assert (verdict, done.exit_code) == (Verdict.PASS, os.EX_TEMPFAIL)
    assert "No chip was found." in done.stderr
    for file in (gateway.folder / "report").iterdir():
        text = file.read_text().upper()
        assert not any(name in text or name.encode().hex(" ").upper() in text for name in technician.names)


async def test_chips_that_are_lost_fail(gateway: GatewayFixture, technician: ScriptedTechnician) -> None:
    for removed_at in (None, 20, None, 40, None):
        technician.add(*([] if removed_at is None else [fault.CardRemoval(at=removed_at)]))
    done, report = await certify_chip(gateway)

    chip = report.facts.chip
    assert chip is not None, done.output
    assert (chip.tried, chip.good) == (CHIP_READS, 3), done.output
    (verdict,) = [each.verdict for each in report.criteria if each.id == "chip"]
    assert (verdict, done.exit_code) == (Verdict.FAIL, 1)
