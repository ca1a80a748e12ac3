"""What the fingerprint tests share."""

import pytest
from support.devices.fingerprints import print_of

from drivers.fingerprint.quality import load_measure


@pytest.fixture(scope="session", autouse=True)
def nfiq2_has_run() -> None:
    """NBIS opens /dev/null at its first image and keeps it: no test leaves that behind."""
    load_measure("nfiq2").value(print_of())
