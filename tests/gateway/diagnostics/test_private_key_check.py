"""Check of private keys: the doctor names those that a thief of the disk can use."""

from typing import Any

import pytest

from gateway.config import Post
from gateway.diagnostics.checks.private_keys import check_private_keys


def post(broker_key: str | None = None, hq_key: str | None = None, **gateway: str) -> Post:
    def destination(key: str | None) -> dict[str, Any]:
        tls = {"ca_file": "/x/ca.crt", "cert_file": "/x/a.crt", "key_file": key} if key is not None else None
        return {"host": "127.0.0.1", "tls": tls}

    return Post.model_validate(
        {
            "gateway": {"site": "ke-busia", "name": "gw-1", "profile": "test", "state_dir": "/nonexistent"}
            | gateway,
            "broker": destination(broker_key),
            "hq": destination(hq_key),
            "devices": {},
        }
    )


@pytest.mark.parametrize(
    ("checked", "named"),
    [
        (post("/x/a.key"), ["/x/a.key"]),
        (post("/x/a.key", "/x/a.key", signing_key="/x/signing.key"), ["/x/a.key", "/x/signing.key"]),
        (post("/run/credentials/borderpost.service/a.key", "/x/hq.key"), ["/x/hq.key"]),
    ],
)
def test_keys_on_disk_are_named(checked: Post, named: list[str]) -> None:
    (finding,) = check_private_keys(checked)
    assert (finding.code, finding.severity) == ("private_key_on_disk", "notice")
    assert finding.text.startswith(f"Not sealed by a TPM 2: {', '.join(named)}. ")
    assert "trust revoke" in finding.how


@pytest.mark.parametrize(
    ("checked", "count"),
    [
        (post("/run/credentials/borderpost.service/a.key", signing_credential="signing.key"), 1),
        (post(signing_credential="signing.key"), 1),
        (post(), 0),
    ],
)
def test_sealed_keys_are_in_order(checked: Post, count: int) -> None:
    assert [finding.severity for finding in check_private_keys(checked)] == ["ok"] * count
