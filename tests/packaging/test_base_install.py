"""Installation without extras: what it requires, what a workstation loads, and what the commands say."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from support.process.installs import (
    EXTRAS,
    OURS,
    PROJECT,
    ROOT,
    closure,
    distribution,
    environment,
    variables,
)

from gateway.base_install import MODULES
from gateway.cli_summaries import COMMANDS

REQUIRED = {
    OURS, "aiomqtt", "annotated-types", "cffi", "cryptography", "paho-mqtt", "pycparser", "pydantic",
    "pydantic-core", "structlog", "typing-extensions", "typing-inspection",
}  # fmt: skip
"""Distributions of a workstation."""
CUSTOMERS = {"pyserial", "pyusb", "paho-mqtt", "pydantic", "structlog"}
"""Libraries that the project is required to use."""
NOT_FOR_WORKSTATIONS = (
    "argon2", "av", "cbor2", "cv2", "defusedxml", "evdev", "fastapi", "gpiod", "h11", "httpx", "linuxpy",
    "nbis", "numpy", "osdp_sys", "PIL", "pyudev", "rich", "serial", "smartcard", "tree_sitter", "typer",
    "usb", "usbip", "wsq", "yaml", "gateway.cli", "gateway.config", "gateway.delivery", "gateway.gateway",
    "gateway.pki", "gateway.supervision", "gateway.worker", "simulators", "drivers.anonymize",
    "drivers.barrier.driver", "drivers.camera.camera", "drivers.fingerprint.scanner",
    "drivers.passport.mrz.parser", "drivers.passport.mrz_serial", "drivers.passport.seals.payload",
    "drivers.registry",
)  # fmt: skip
"""Modules that a workstation does not load: device libraries, the daemon, drivers, parsers."""
LINKS = {"drivers.links", "drivers.links.link"}
"""Modules of links that a workstation loads: the causes of states."""
VERIFIES = {
    "gateway.pki.jws",
    "gateway.pki.keys",
    "gateway.pki.statement_verifier",
    "gateway.pki.statements",
}
"""Modules that a workstation loads to verify and to sign."""
MODULES_OF = """
import json, sys, {}
print(json.dumps(sorted(sys.modules)))
"""
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]
PROBE = ROOT / "tests" / "support" / "process" / "command_probe.py"


def requirements(extra: str) -> set[str]:
    return {re.split(r"[^a-z0-9-]", line)[0] for line in OPTIONAL[extra]}


def test_base_requires_client_only() -> None:
    assert closure("") <= REQUIRED


def test_base_needs_no_compiler() -> None:
    """Each library has a wheel of its maker for this machine: no compiler is needed."""
    for name in closure("") - {OURS}:
        tags = re.findall(r"^Tag: \S+-(\S+)$", distribution(name).read_text("WHEEL") or "", re.MULTILINE)
        assert tags, name
        assert all(tag == "any" or tag.startswith(("manylinux", "musllinux")) for tag in tags), (name, tags)


def test_post_has_the_required_libraries() -> None:
    assert closure("post") >= CUSTOMERS


def test_each_extra_includes_post() -> None:
    includes = f"{OURS}[post]"
    assert [extra for extra in EXTRAS if extra != "post" and includes not in OPTIONAL[extra]] == []


def test_modules_of_post_are_those_of_its_requirements() -> None:
    provided = {
        file.parts[0].partition(".")[0]
        for name in requirements("post")
        for file in distribution(name).files or ()
        if file.suffix == ".py" and not file.parts[0].startswith(("_", "."))
    }
    assert provided == set(MODULES)


def loaded(*modules: str) -> set[str]:
    """Return the modules that these load in an environment that has every library."""
    code = MODULES_OF.format(", ".join(modules))
    ended = subprocess.run(
        [sys.executable, "-c", code], env=variables(), capture_output=True, text=True, check=True
    )
    return set(json.loads(ended.stdout))


def forbidden(modules: set[str]) -> set[str]:
    """Return those of the modules that a workstation must not load."""
    heavy = {name for name in modules if any(f"{name}.".startswith(f"{no}.") for no in NOT_FOR_WORKSTATIONS)}
    return heavy | {name for name in modules if name.startswith("drivers.links")} - LINKS


def test_workstation_loads_neither_drivers_nor_device_libraries() -> None:
    modules = loaded("gateway.client")
    assert "drivers.passport.observations" in modules
    assert forbidden(modules) == set()
    assert not modules & {"cryptography", "structlog"}


def test_workstation_with_keys_loads_neither_configuration_nor_drivers() -> None:
    modules = loaded("gateway.client.verification", *sorted(VERIFIES))
    assert forbidden(modules) - {"gateway.pki"} - VERIFIES == set()


def test_driver_without_post_names_it(tmp_path: Path) -> None:
    """A program that looks for drivers on a workstation finds the extra that is missing."""
    python = environment(tmp_path / "venv")
    code = "from drivers.registry import load_driver; print(load_driver('mrz-serial').text)"
    ended = subprocess.run([python, "-c", code], env=variables(), capture_output=True, text=True, check=True)
    assert (
        ended.stdout == "The driver mrz-serial needs the extra `post`, which is not installed (no serial).\n"
    )


def test_daemon_names_its_extra(tmp_path: Path) -> None:
    """`python -m gateway` says what to install before it reads the post's file."""
    python = environment(tmp_path / "venv")
    ended = subprocess.run(
        [python, "-P", "-m", "gateway", ROOT / "config" / "example.toml"],
        cwd=tmp_path, env=variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (os.EX_UNAVAILABLE, ""), ended.stderr
    without = ", ".join(MODULES)
    install = f"cd {shlex.quote(str(ROOT))} && uv pip install --python {python} -e '.[post]'"
    assert ended.stderr == (
        f"The gateway needs the extra `post`, which is not installed (no {without}).\n"
        f"    Install it with: {install}\n"
    )


def test_commands_name_their_extra(tmp_path: Path) -> None:
    """Without `post`, every help appears, and every command says what to install."""
    python = environment(tmp_path / "venv")
    lines = [
        ["--help"], ["--version"], [], ["nonsense"],
        *([name, "--help"] for name in COMMANDS), *([name] for name in COMMANDS),
    ]  # fmt: skip
    ended = subprocess.run(
        [python, "-P", PROBE],
        input=json.dumps(lines), cwd=ROOT, env=variables(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    results = [(each["code"], each["said"]) for each in json.loads(ended.stdout)]
    (help_code, listed), (version_code, version), (bare_code, bare), (unknown_code, unknown), *others = (
        results
    )
    install = f"cd {shlex.quote(str(ROOT))} && uv pip install --python {python} -e '.[{{}}]'"
    assert (help_code, version_code, bare_code, unknown_code) == (0, 0, os.EX_USAGE, os.EX_USAGE)
    assert listed == bare
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert install.format("post") in listed
    assert version.startswith("borderpost 0.")
    assert "nonsense" in unknown
    extras = {"console": "console", "demo": "demo", "simulate": "simulators"}
    for number, name in enumerate(COMMANDS):
        for expected, (code, said) in (
            (0, others[number]),
            (os.EX_UNAVAILABLE, others[len(COMMANDS) + number]),
        ):
            assert code == expected, (name, said)
            assert said.endswith(f"    {install.format(extras.get(name, 'post'))}\n"), (name, said)
