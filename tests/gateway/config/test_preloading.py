"""Import of a post's drivers before its configuration is read."""

import os
import secrets
import subprocess
import sys
import textwrap
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.config import preloading
from gateway.config.preloading import preload_drivers

ROOT = Path(__file__).parents[3]
POST = """
[broker]
password = "{password}"
[device."lane-1/reader"]
driver = "mrz-serial"
[device."lane-1/scale"]
driver = "kivu"
"""
MARK = "password-of-the-broker-"


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_preloading_leaves_no_password_in_memory(tmp_path: Path) -> None:
    """The fork server is forked from the process that preloads, and workers from the fork server."""
    rest = secrets.token_hex(16)
    # Many, so that not all of them are overwritten by chance.
    cameras = "".join(
        f'[device."lane-{lane}/camera"]\npassword = "{MARK}{rest}"\n' for lane in range(2, 1000)
    )
    (tmp_path / "post.toml").write_text(POST.format(password=MARK + rest) + cameras)
    program = """
        import sys
        from hashlib import sha256
        from pathlib import Path
        from gateway.config.preloading import preload_drivers
        path, mark, digest = Path(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]
        preload_drivers(path)
        assert "drivers.passport.mrz_serial" in sys.modules
        marks = found = 0
        with Path("/proc/self/mem").open("rb", buffering=0) as memory:
            for line in Path("/proc/self/maps").read_text().splitlines():
                span, rights, *_, name = (line + " ").split(" ")
                if not rights.startswith("rw"):
                    continue
                start, end = (int(part, 16) for part in span.split("-"))
                memory.seek(start)
                content = memory.read(end - start)
                at = content.find(mark)
                while at >= 0:
                    rest = content[at + len(mark) :][:32]
                    marks += 1
                    found += sha256(rest).hexdigest() == digest
                    at = content.find(mark, at + 1)
        print(marks > 0, found)
    """
    assert run(program, str(tmp_path / "post.toml"), MARK, sha256(rest.encode()).hexdigest()) == "True 0"


def test_only_own_drivers_are_preloaded(tmp_path: Path) -> None:
    """One of another package might end this process."""
    (tmp_path / "post.toml").write_text(POST.format(password="any"))
    assert preloading.read_driver_names(tmp_path / "post.toml", {"mrz-serial", "osdp"}) == ["mrz-serial"]


@pytest.mark.parametrize("text", ["[device", "device = 3", "[device]\na = 1\nb = {driver = 2}", "\xff"])
def test_faulty_file_preloads_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "post.toml").write_bytes(text.encode("latin-1"))
    preload_drivers(tmp_path / "post.toml")
    assert preloading.read_driver_names(tmp_path / "post.toml", {"mrz-serial"}) == []


def test_missing_file_preloads_nothing(tmp_path: Path) -> None:
    assert preloading.read_driver_names(tmp_path / "none.toml", {"mrz-serial"}) == []
