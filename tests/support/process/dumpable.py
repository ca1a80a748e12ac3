"""Memory and descriptors of the gateway's processes, which only root may read: they are not dumpable."""

import os

import pytest

reads_proc = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root reads /proc of processes that are not dumpable (prctl(2))"
)
