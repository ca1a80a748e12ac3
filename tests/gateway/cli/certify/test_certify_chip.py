"""`certify` with chips behind a real pcscd; the tests are in certified_chips.py."""

import sys
from pathlib import Path

import pytest
from support.devices.pcscd import why_no_pcscd, with_pcscd

NO_PCSCD = why_no_pcscd()
INSIDE = Path(__file__).parent / "certified_chips.py"


@pytest.mark.skipif(NO_PCSCD is not None, reason=str(NO_PCSCD))
@pytest.mark.timeout(900)
@pytest.mark.long(20)
def test_chips_are_certified_through_real_pcscd(tmp_path: Path) -> None:
    done = with_pcscd(
        tmp_path,
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"),
        *("--basetemp", tmp_path / "inside", "--timeout", "800", "-x", INSIDE),
        timeout_s=850,
    )
    assert done.returncode == 0, done.stdout[-6000:] + (tmp_path / "pcscd.log").read_text()[-2000:]
    assert "2 passed" in done.stdout
