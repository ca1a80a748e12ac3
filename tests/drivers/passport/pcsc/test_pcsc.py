"""The driver with a real pcscd; the tests are in network_namespace_tests.py and ccid_tests.py."""

import os
import sys
from pathlib import Path

import pytest
from support.devices.pcscd import in_namespace, why_no_ccid, why_no_pcscd, with_pcscd

NO_PCSCD, NO_CCID = why_no_pcscd(), why_no_ccid()
INSIDE = Path(__file__).parent / "network_namespace_tests.py"
CCID = Path(__file__).parent / "ccid_tests.py"


@pytest.mark.skipif(NO_PCSCD is not None, reason=str(NO_PCSCD))
@pytest.mark.timeout(900)
@pytest.mark.long(25)
def test_chips_through_real_pcscd(tmp_path: Path) -> None:
    done = with_pcscd(
        tmp_path,
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"),
        *("--basetemp", tmp_path / "inside", "--timeout", "800", "-x", INSIDE),
        timeout_s=850,
        BORDERPOST_CARDS=os.environ.get("BORDERPOST_CARDS", "6"),
    )
    assert done.returncode == 0, done.stdout[-6000:] + (tmp_path / "pcscd.log").read_text()[-2000:]
    assert "9 passed" in done.stdout


def check_libccid(folder: Path, cards: str, passed: int) -> None:
    done = in_namespace(
        folder,
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-rP"),
        *("--basetemp", folder / "inside", "--timeout", "800", "-x", CCID),
        timeout_s=850,
        BORDERPOST_CARDS=cards,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{passed} passed" in done.stdout
    print(done.stdout)  # times


@pytest.mark.thorough
@pytest.mark.skipif(NO_CCID is not None, reason=str(NO_CCID))
@pytest.mark.timeout(900)
@pytest.mark.long(25)
def test_chips_through_real_libccid(tmp_path: Path) -> None:
    check_libccid(tmp_path, "6", 9)


@pytest.mark.skipif(NO_CCID is not None, reason=str(NO_CCID))
@pytest.mark.timeout(900)
@pytest.mark.thorough
@pytest.mark.long(320)
def test_loss_at_every_command_through_real_libccid(tmp_path: Path) -> None:
    check_libccid(tmp_path, "200", 10)
