"""Unit tests of the counter page, in Node."""

import subprocess

import pytest
from support.clients.web_desks import NODE, ROOT, require_built

pytestmark = pytest.mark.thorough


def test_unit_tests_pass() -> None:
    require_built()
    command = (NODE, "--test", "--experimental-strip-types", "gateway/counter/test/*.test.ts")
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-4000:]
