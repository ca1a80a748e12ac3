"""Diagnosis of a post with a mistake in one part of its file: the part is named, the rest examined."""

from pathlib import Path

import pytest
from support.gateway.post_files import gateway_section
from support.gateway.staged_hosts import StagedHost

from gateway.api.models import Finding
from gateway.config import ConfigError, load
from gateway.diagnostics.bundle import collect_bundle
from gateway.diagnostics.doctor import run_doctor
from gateway.diagnostics.why import explain_device

POST = (
    gateway_section("uto-test", "test", "{folder}/state")
    + """
[broker]
host = "127.0.0.1"
port = 1
[device."lane-1/reader"]
driver = "mrz-serial"
port = "/dev/ttyUSB0"
framing = "text"
"""
)
DEVICES = {
    "wrong setting": ('driver = "mrz-serial"\nport = "/dev/ttyUSB1"\nframing = "nonsense"', "framing"),
    "unknown driver": ('driver = "no-such-driver"\nport = "/dev/ttyUSB1"', "no-such-driver"),
    "same port": ('driver = "mrz-serial"\nport = "/dev/ttyUSB0"\nframing = "text"', "lane-1/reader"),
}
SECTIONS = {
    "hq": ("[hq]\nprot = 1883", "hq"),
    "console": ('[console]\nusers_file = "/"', "users_file"),
    "roles": ('[commands]\nroles_file = "missing.toml"', "roles_file"),
}


@pytest.fixture
def machine(tmp_path: Path) -> StagedHost:
    machine = StagedHost(tmp_path / "machine")
    machine.process(712, "brltty", holds=machine.write("dev/ttyUSB0", ""))
    return machine


def post_with(folder: Path, part: str) -> Path:
    file = folder / "post.toml"
    file.write_text(POST.format(folder=folder) + part + "\n")
    with pytest.raises(ConfigError):
        load(file)
    return file


def wrong(findings: list[Finding], word: str) -> list[str]:
    """Return the severities of the findings about the file that name a word."""
    return [it.severity for it in findings if it.code == "config_wrong" and word in it.text + it.how]


@pytest.mark.parametrize("case", DEVICES)
def test_doctor_examines_other_devices(tmp_path: Path, machine: StagedHost, case: str) -> None:
    part, word = DEVICES[case]
    post = post_with(tmp_path, f'[device."lane-2/reader"]\n{part}')
    findings = run_doctor(post, host=machine.host_view)
    assert "error" in wrong(findings, word)
    codes = {(finding.code, finding.subject) for finding in findings}
    assert "gateway_down" in {code for code, _ in codes}
    assert ("port_held", "lane-1/reader") in codes or case == "same port"


@pytest.mark.parametrize("case", SECTIONS)
def test_doctor_examines_other_sections(tmp_path: Path, machine: StagedHost, case: str) -> None:
    part, word = SECTIONS[case]
    findings = run_doctor(post_with(tmp_path, part), host=machine.host_view)
    assert "error" in wrong(findings, word)
    assert ("port_held", "lane-1/reader") in {(finding.code, finding.subject) for finding in findings}


@pytest.mark.parametrize("case", ["wrong setting", "unknown driver"])
def test_why_names_mistake_of_device(tmp_path: Path, machine: StagedHost, case: str) -> None:
    part, word = DEVICES[case]
    post = post_with(tmp_path, f'[device."lane-2/reader"]\n{part}')
    assert wrong(explain_device(post, "lane-2/reader", host=machine.host_view), word) == ["error"]
    other = explain_device(post, "lane-1/reader", host=machine.host_view)
    assert wrong(other, word) == ["notice"]
    assert "port_held" in {finding.code for finding in other}


def test_bundle_has_sound_parts(tmp_path: Path, machine: StagedHost) -> None:
    part, word = DEVICES["unknown driver"]
    post = post_with(tmp_path, f'[device."lane-2/reader"]\n{part}')
    packed = {part.name: part.content for part in collect_bundle(post, host=machine.host_view).parts}
    assert "lane-1/reader" in packed["config.json"].decode()
    assert word in packed["findings.txt"].decode()
