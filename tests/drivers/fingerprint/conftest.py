"""Fixtures of the fingerprint tests."""

import pytest
from support.devices.fingerprints import print_of

from drivers.fingerprint.quality import load_measure


@pytest.fixture(scope="session", autouse=True)
def nfiq2_has_run() -> None:
    """Let NBIS open /dev/null, which it keeps, before the tests count descriptors."""
    load_measure("nfiq2").value(print_of())
