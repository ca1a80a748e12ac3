"""The doctor beside a post's own certificate authority: each expired or changed certificate reported once."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.brokers.deployments import two_state_deployment

from gateway.api.models import Finding
from gateway.config import load
from gateway.diagnostics.checks.ca import check_ca
from gateway.diagnostics.checks.certificates import check_certificates
from gateway.pki.inventory import load_deployment
from gateway.pki.store import init

NOW = datetime.now(UTC)


def told(config: Path, now: datetime = NOW) -> list[Finding]:
    """Return the bad findings about certificates."""
    post = load(config)
    found = [*check_certificates(post, now), *check_ca(config, post, now)]
    return [finding for finding in found if finding.severity != "ok"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    init(
        tmp_path / "authority",
        load_deployment(two_state_deployment(tmp_path)),
        days=365,
        passphrase=b"of these tests",
    )
    return tmp_path / "ke.toml"


@pytest.mark.parametrize(("days", "severity"), [(55, "notice"), (25, "warning"), (5, "error")])
def test_expiry_is_reported_60_30_and_7_days_ahead(config: Path, days: int, severity: str) -> None:
    assert told(config) == []

    findings = told(config, NOW + timedelta(days=365 - days))

    assert {(finding.code, finding.severity) for finding in findings} == {
        ("certificate_expires_soon", severity)
    }
    assert len(findings) == len({finding.text for finding in findings}) == 15, "each once"
    how = {finding.how for finding in findings if "certificate of ug-lane-2" in finding.text}
    assert how == {"sudo borderpost trust renew, then copy the new files to that machine"}


@pytest.mark.parametrize("file", ["ke-gw-1/ke-gw-1.crt", "ug-lane-2/ug-lane-2.crt", "broker/broker.crt"])
def test_changed_certificate_is_named(config: Path, file: str) -> None:
    changed = config.parent / "authority" / file
    der = bytearray(ssl.PEM_cert_to_DER_cert(changed.read_text()))
    der[-5] ^= 1
    changed.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))

    findings = told(config)

    assert {(finding.code, finding.severity) for finding in findings} == {
        ("certificate_wrong_issuer", "error")
    }
    assert all(str(changed) in finding.text for finding in findings)


def test_gateway_certificate_without_local_authority(config: Path) -> None:
    """The gateway's machine has only its own files."""
    trust = config.parent / "authority"
    (trust / "authority.json").rename(config.parent / "kept")
    trust.rename(config.parent / "given")
    config.write_text(config.read_text().replace('"authority/', '"given/'))
    assert told(config) == []
    own = config.parent / "given/ke-gw-1/ke-gw-1.crt"
    der = bytearray(ssl.PEM_cert_to_DER_cert(own.read_text()))
    der[-5] ^= 1
    own.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))

    (finding,) = told(config)

    assert (finding.code, str(own) in finding.text) == ("certificate_wrong_issuer", True)
