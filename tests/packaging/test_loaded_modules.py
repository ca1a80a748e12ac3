"""Modules in the memory of a plain post: one reader, no signatures, no barcodes, no console in use.

The fork server and the workers are forked from the daemon before it has read its configuration, so they have
no others.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.gateway.post_files import gateway_section

ROOT = Path(__file__).parents[2]
NOT_NEEDED = (
    "argparse",
    "cryptography.hazmat.primitives.asymmetric",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
    "drivers.anonymize",
    "drivers.passport.emrtd",
    "drivers.passport.seals.encoding",
    "drivers.passport.seals.payload",
    "drivers.passport.seals.verifier",
    "gateway.api",
    "gateway.config.locations",
    "gateway.config.messages",
    "gateway.pki.jws",
    "gateway.pki.keys",
    "gateway.pki.station_keys",
    "pygments",
    "rich",
    "tree_sitter",
    "tree_sitter_toml",
    "typer",
)
"""Modules that only some posts need: keys, barcodes, chips; or the lines of mistakes in a file."""


@pytest.mark.parametrize("profile", ["training", "production"])
def test_plain_post_loads_only_what_it_needs(tmp_path: Path, profile: str) -> None:
    file = tmp_path / "post.toml"
    file.write_text(
        gateway_section(state_dir="state").replace("training", profile)
        + '[broker]\nhost = "127.0.0.1"\n[device."lane-1/reader"]\n'
        + 'driver = "mrz-serial"\nport = "/dev/serial/by-id/reader"\nframing = "accessis"\n'
    )
    program = """
        import asyncio, sys
        from pathlib import Path
        from gateway.__main__ import Gateway, load, preload_drivers
        path = Path(sys.argv[1])
        preload_drivers(path)
        post = load(path, {}, to_run=True)
        async def build():
            Gateway(post, path, None)
        asyncio.run(build())
        print("gateway.gateway" in sys.modules, "drivers.passport.mrz_serial" in sys.modules)
        print(*(name for name in sys.modules if name.startswith(tuple(sys.argv[2:]))))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(file), *NOT_NEEDED],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stderr, done.stdout.splitlines()) == ("", ["True True", ""])
