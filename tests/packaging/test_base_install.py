"""Installation without extras: what it requires, what a workstation loads, and what the commands say."""

import json
import os
import re
import shlex
import subprocess
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
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]
PROBE = ROOT / "tests" / "support" / "process" / "command_probe.py"


def requirements(extra: str) -> set[str]:
    return {re.split(r"[^a-z0-9-]", line)[0] for line in OPTIONAL[extra]}


def test_base_requires_client_only() -> None:
    assert closure("") <= REQUIRED


def test_base_is_built_nowhere() -> None:
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
