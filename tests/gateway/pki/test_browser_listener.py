"""WebSocket listener with the files of `borderpost trust`: certificate and password, both required."""

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.brokers.deployments import two_state_deployment
from support.brokers.principals import Broker, DeploymentFixture
from support.clients.desks import DeskOptions
from support.clients.web_desks import POLICY, ClientError, NodeDriver, PageDriver, show_driver
from support.console.chromium import CHROMIUM
from support.patience import PATIENCE_S

from gateway.pki.browsers import hashed, new_word
from gateway.pki.inventory import load_deployment
from gateway.pki.store import BrowserLogin, init

LANE, OTHER = "ke-lane-1", "ke-lane-2"
REFUSED = {0x86, 0x87}
WORDS = {name: new_word() for name in (LANE, OTHER)}
FILE_WORD = new_word()


@pytest.fixture(scope="module")
def fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeploymentFixture]:
    place = tmp_path_factory.mktemp("deployment")
    description = two_state_deployment(place, people="", lanes=("lane-1", "lane-2", "lane-3"))
    description.write_text(f"[broker]\nwebsocket_port = 8884\n{description.read_text()}")
    deployment = load_deployment(description)
    folder = init(place / "authority", deployment, days=365, passphrase=None)
    for name, word in WORDS.items():
        folder.write_browser_login(name, BrowserLogin(FILE_WORD, hashed(word)))
    with Broker(folder) as broker:
        yield DeploymentFixture(deployment, folder, folder.load_ca(None), broker)


def text_field(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def login(fixture: DeploymentFixture, tls: ssl.SSLContext, name: str, word: str | None) -> int | None:
    """Return the broker's answer to CONNECT in a WebSocket; None when it does not let us get that far."""
    flags = 0x02 | (0x80 if name else 0) | (0x40 if word is not None else 0)
    body = text_field("MQTT") + bytes([5, flags, 0, 10, 0]) + text_field("")
    body += (text_field(name) if name else b"") + (b"" if word is None else text_field(word))
    packet = bytes([0x10, len(body)]) + body
    upgrade = (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    assert fixture.broker.ws_port is not None
    try:
        with (
            socket.create_connection(("127.0.0.1", fixture.broker.ws_port), PATIENCE_S) as plain,
            tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(upgrade.encode())
            if not secure.recv(4096).startswith(b"HTTP/1.1 101"):
                return None
            # A frame of RFC 6455, section 5.2, whose mask changes nothing.
            secure.sendall(bytes([0x82, 0x80 | len(packet), 0, 0, 0, 0]) + packet)
            answer = secure.recv(4096)
            return answer[5] if answer[:1] == b"\x82" and answer[2:3] == b"\x20" else None
    except OSError:
        return None


def test_certificate_and_password_are_both_required(fixture: DeploymentFixture) -> None:
    own = fixture.context(LANE)
    assert login(fixture, own, LANE, WORDS[LANE]) == 0
    assert login(fixture, own, LANE, None) in REFUSED
    assert login(fixture, own, LANE, "guessed") in REFUSED
    assert login(fixture, own, OTHER, WORDS[LANE]) in REFUSED
    assert login(fixture, own, "ke-lane-3", WORDS[LANE]) in REFUSED, "a principal without a browser"
    assert login(fixture, fixture.context(None), LANE, WORDS[LANE]) is None
    assert login(fixture, own, "", None) in REFUSED


def test_name_of_certificate_needs_no_password_at_the_other_listener(fixture: DeploymentFixture) -> None:
    with fixture.client("ke-lane-3") as station:
        station.listen()


def test_revoked_browser_is_refused(fixture: DeploymentFixture) -> None:
    assert login(fixture, fixture.context(OTHER), OTHER, WORDS[OTHER]) == 0
    fixture.folder.revoke([OTHER], "lost", datetime.now(UTC))
    fixture.folder.write_derived_files(fixture.authority, fixture.deployment)
    fixture.broker.reload()
    # By its password: Mosquitto 2.0 reads no revocation list for WebSockets.
    deadline_s = time.monotonic() + PATIENCE_S
    while login(fixture, fixture.context(OTHER), OTHER, WORDS[OTHER]) not in REFUSED:
        assert time.monotonic() < deadline_s
    assert login(fixture, fixture.context(LANE), LANE, WORDS[LANE]) == 0


def options(word: str) -> DeskOptions:
    return DeskOptions(
        positions=("lane-1/reader",), site="ke-busia", username=LANE, password=word, station=LANE
    )


@pytest.mark.thorough
async def test_node_connects_with_pkcs12_and_password(fixture: DeploymentFixture) -> None:
    home = fixture.folder.path / LANE
    tls = {name: (home / file).read_text() for name, file in (("ca", "ca.crt"), ("cert", f"{LANE}.crt"))}
    tls["key"] = (home / f"{LANE}.key").read_text()
    async with NodeDriver() as node:
        desk = await node.desk().open(fixture.broker, options(WORDS[LANE]), tls=tls, scheme="wss")
        await desk.connected()
        wrong = await node.desk().open(fixture.broker, options("guessed"), tls=tls, scheme="wss")
        bare = await node.desk().open(
            fixture.broker, options(WORDS[LANE]), tls={"ca": tls["ca"]}, scheme="wss"
        )
        for refused, text in ((wrong, "it refuses this user name"), (bare, "No connection")):
            view = await refused.view()
            while view.problem is None:
                view = await refused.view()
            assert text in view.problem[0]
        for each in (desk, wrong, bare):
            await each.close()


@pytest.mark.thorough
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")
async def test_browser_connects_with_pkcs12_and_password(fixture: DeploymentFixture) -> None:
    port = fixture.broker.ws_port
    certificate = {
        "origin": f"https://127.0.0.1:{port}",
        "pfxPath": fixture.folder.path / LANE / f"{LANE}.p12",
        "passphrase": FILE_WORD,
    }
    policy = POLICY.replace("ws://127.0.0.1:*", f"wss://127.0.0.1:{port} https://127.0.0.1:{port}")
    async with PageDriver() as browser:
        page = await browser.new_page(client_certificates=[certificate], ignore_https_errors=True)
        await show_driver(page, "https://counter.example/", policy)
        browser.page = page
        desk = await browser.desk().open(fixture.broker, options(WORDS[LANE]), scheme="wss")
        await desk.connected()
        await desk.close()
        assert browser.complaints == []


@pytest.mark.thorough
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="Chromium is not installed")
async def test_station_key_stays_in_the_browser() -> None:
    """The key survives a reload, and cannot be read out."""
    async with PageDriver() as browser:
        made = await browser.desk().do("enrolment", name="lane-1")
        await show_driver(browser.page)
        assert await browser.desk().do("enrolment", name="lane-1") == made
        assert await browser.desk().do("enrolment", name="lane-2") != made
        with pytest.raises(ClientError, match="not extractable"):
            await browser.desk().do("steal_key", name="lane-1")
