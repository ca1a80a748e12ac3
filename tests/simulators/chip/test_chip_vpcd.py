"""The protocol of vpcd, against a fake of the tests and against a real pcscd."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest
from chip_vpcd import FakeVpcd
from cryptography import x509
from support.devices.pcscd import why_no_pcscd, with_pcscd

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.chip import Chip, IssuingState, VpcdSlot
from simulators.passport.chip.__main__ import main
from simulators.passport.chip.faults import CardRemoval, SlowField
from simulators.specimens import ERIKSSON

PASSPORT = ERIKSSON[Format.TD3]
SELECT = bytes.fromhex("00A4040C07A0000002471001")
OFF, ON, RESET, ATR = b"\x00", b"\x01", b"\x02", b"\x04"


@pytest.fixture(scope="module")
def utopia() -> IssuingState:
    return IssuingState.create()


async def test_power_and_apdus(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia)
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        await slot.insert(chip)
        card = await vpcd.card()
        assert await card.request(ATR) == chip.atr
        await card.send(ON)
        assert await card.request(SELECT) == b"\x90\x00"
        assert chip.commands == 1
        await card.send(RESET)
        await card.send(b"")
        assert await card.request(ATR) == chip.atr
        assert chip.commands == 0
        assert (await card.request(bytes.fromhex("00B0820000"))).hex() == "6a82"
        await card.send(OFF)
        assert slot.is_occupied
        await slot.remove()
        await card.wait_removed()
        assert not slot.is_occupied


@pytest.mark.parametrize("turns", range(8))
async def test_vpcd_disconnects_during_removal(utopia: IssuingState, turns: int) -> None:
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        await slot.insert(Chip.issue(PASSPORT, utopia))
        card = await vpcd.card()
        await card.close()
        for _ in range(turns):
            await asyncio.sleep(0)
        await slot.remove()
        assert not slot.is_occupied


async def test_removal_closes_connection(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia, faults=[CardRemoval(at=2)])
    seen: list[str] = []
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        slot.on_removed = lambda: seen.append("gone")
        await slot.insert(chip)
        card = await vpcd.card()
        await card.request(SELECT)
        with pytest.raises(asyncio.IncompleteReadError):
            await card.request(SELECT)
        await slot.wait_removed()
        assert seen == ["gone"]
        await slot.insert(chip)
        card = await vpcd.card()
        assert await card.request(ATR) == chip.atr
        chip.remove()
        with pytest.raises(asyncio.IncompleteReadError):
            await card.request(ATR)


async def test_200_insertions_and_removals(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia)
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        for number in range(1, 201):
            await slot.insert(chip)
            card = await vpcd.card()
            assert await card.request(SELECT) == b"\x90\x00"
            await slot.remove()
            await card.wait_removed()
            await card.close()
            assert slot.inserted == number


async def test_slow_field_does_not_block_loop(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia, faults=[SlowField(kbit_s=106, per_command_s=0.05)])
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        await slot.insert(chip)
        card = await vpcd.card()
        started = time.monotonic()
        await card.request(SELECT)
        assert time.monotonic() - started >= 0.05


async def test_one_chip_at_a_time(utopia: IssuingState) -> None:
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        await slot.insert(Chip.issue(PASSPORT, utopia))
        with pytest.raises(SimulatorError, match="remove it first"):
            await slot.insert(Chip.issue(PASSPORT, utopia))


async def test_vpcd_may_leave(utopia: IssuingState) -> None:
    chip = Chip.issue(PASSPORT, utopia)
    async with FakeVpcd() as vpcd, VpcdSlot(port=vpcd.port) as slot:
        await slot.insert(chip)
        await (await vpcd.card()).close()
        await slot.wait_removed()
        assert not slot.is_occupied
        await slot.insert(chip)
        await slot.remove()
        await slot.wait_removed()


async def test_missing_vpcd_is_reported(utopia: IssuingState) -> None:
    async with FakeVpcd() as vpcd:
        port = vpcd.port
    async with VpcdSlot(port=port) as slot:
        with pytest.raises(SimulatorError, match="no vpcd listens there"):
            await slot.insert(Chip.issue(PASSPORT, utopia))


class TestCommandLine:
    async def test_documents_inserted_and_trust_written(self, tmp_path: Path, capsys) -> None:
        async with FakeVpcd() as vpcd:
            arguments = ["--port", str(vpcd.port), "--cycles", "2", "--dwell-s", "0.2", "--away-s", "0",
                         "--format", "TD1", "--access", "pace", "--can", "123456",
                         "--chip-authentication", "AES-128",
                         "--active-authentication", "ecdsa", "--kbit-s", "424", "--fault", "removed:at=0x2",
                         "--fault", "revoked-signer", "--trust", str(tmp_path / "trust")]  # fmt: skip
            running = asyncio.create_task(asyncio.to_thread(main, arguments))
            card = await vpcd.card()
            assert (await card.request(SELECT)).hex() == "6982"
            with pytest.raises(asyncio.IncompleteReadError):
                await card.request(SELECT)
            await (await vpcd.card()).wait_removed()
            assert await running == 0
        await asyncio.get_running_loop().shutdown_default_executor()
        lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
        assert [len(line) for line in lines] == [30, 30, 30]
        crl = x509.load_der_x509_crl((tmp_path / "trust" / "csca.crl").read_bytes())
        assert len(crl) == 2
        x509.load_der_x509_certificate((tmp_path / "trust" / "csca.cer").read_bytes())
        assert (tmp_path / "trust" / "master-list.ml").read_bytes()[0] == 0x30

    @pytest.mark.parametrize(("arguments", "message"), [
        (["--port", "1", "--cycles", "1"], "no vpcd listens there"),
        (["--fault", "removed"], "Field required"),
        (["--fault", "lost"], "lost"),
        (["--can", "12A"], "not a row of digits"),
    ])  # fmt: skip
    def test_invalid_options_are_explained(self, arguments: list[str], message: str, capsys) -> None:
        assert main(arguments) == 1
        assert message in capsys.readouterr().err


NO_PCSCD = why_no_pcscd()


@pytest.mark.skipif(NO_PCSCD is not None, reason=str(NO_PCSCD))
def test_real_pcscd_reads_the_chip(tmp_path: Path) -> None:
    here = Path(__file__).parent
    done = with_pcscd(
        tmp_path,
        *(sys.executable, here / "chip_pcsc_session.py"),
        timeout_s=50,
        PYTHONPATH=f"{here.parents[2]}:{here}",
    )
    assert done.returncode == 0, done.stderr + (tmp_path / "pcscd.log").read_text()
    assert json.loads(done.stdout) == {
        "sessions": ["BAC", "PACE", "BAC", "PACE", "BAC"],
        "zone": "".join(PASSPORT.lines),
        "chip_authentication": True,
        "active_authentication": 128,
        "removed_at_5": True,
        "after_removal": "BAC",
    }
