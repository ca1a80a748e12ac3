"""Checks of the brokers: TCP connection, TLS handshake, MQTT login, access control list."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.contract.topics import SiteTopics
from gateway.delivery.mqtt.connect import describe_connect_error, random_client_id, tls_context
from gateway.delivery.settings import BrokerSettings
from gateway.delivery_config import delivery_settings
from gateway.diagnostics.checks.certificates import certificate_from_der, check_lifetime
from gateway.diagnostics.findings import make_finding, make_ok_finding

ANSWER_S = 3.0


def check_brokers(post: Post, now: datetime) -> Iterator[Finding]:
    """Connect to every destination with the gateway's settings and another client identifier."""
    try:
        destinations = delivery_settings(post).destinations
    except OSError as error:
        yield make_finding(
            "password_unusable",
            "error",
            "local",
            f"The password file {error.filename} cannot be read: {error.strerror}. The gateway cannot "
            "log in.",
            Action.CONFIGURE,
            f"sudo chown root:borderpost {error.filename} && sudo chmod 640 {error.filename}",
        )
        return
    gateway = post.gateway
    probe_topic = SiteTopics(gateway.site, gateway.name, gateway.topic_root).acl_probe
    for destination in destinations:
        probes = gateway.profile == "production" and destination.name == "local"
        yield from _check_broker(destination.name, destination.broker, now, probe_topic if probes else None)


def _check_broker(
    name: str, broker: BrokerSettings, now: datetime, probe_topic: str | None
) -> Iterator[Finding]:
    """Check one broker. `probe_topic`: topic that no access list permits to write; None: no probe."""
    table = "broker" if name == "local" else name
    try:
        with socket.create_connection((broker.host, broker.port), ANSWER_S) as plain:
            if broker.tls is not None:
                plain.settimeout(ANSWER_S)
                with tls_context(broker.tls).wrap_socket(plain, server_hostname=broker.host) as secure:
                    shown = secure.getpeercert(binary_form=True)
                if shown is not None:
                    yield check_lifetime(
                        f"the certificate of the broker of [{table}]",
                        certificate_from_der(shown),
                        now,
                        f"Ask the operator of {broker.host} to renew it.",
                    )
    except ssl.SSLError as error:
        yield _no_tls(name, table, broker, error)
        return
    except OSError as error:
        yield _unreachable(name, table, broker, describe_connect_error(error))
        return
    refused, wrote = _refused(broker, probe_topic)
    if refused is None and wrote:
        yield make_finding(
            "broker_acl_missing",
            "error",
            name,
            f"The broker of [{table}] has no access control list: every client may publish commands.",
            Action.CONFIGURE,
            "Run Mosquitto with the access control list that `borderpost trust` makes: "
            "config/mosquitto/README.md",
        )
    elif refused is None:
        yield make_ok_finding("broker_refuses", name, f"The broker of [{table}] accepts this gateway.")
    else:
        yield make_finding(
            "broker_refuses",
            "error",
            name,
            f"The broker of [{table}] rejects this gateway: {refused}. No event is delivered to it.",
            Action.CONFIGURE,
            f"Configure in the broker the user name and password, or the certificate, of [{table}]; its log: "
            "sudo journalctl -u mosquitto -n 20",
        )


def _unreachable(name: str, table: str, broker: BrokerSettings, reason: str) -> Finding:
    local = name == "local"
    return make_finding(
        "broker_unreachable",
        "error" if local else "warning",
        name,
        f"The broker of [{table}] at {broker.host}:{broker.port} does not respond: {reason}. Events "
        "are queued.",
        Action.RESTART if local else Action.CALL_SUPPORT,
        "sudo systemctl restart mosquitto; check host and port of [broker]"
        if local
        else f"Check the line to headquarters: ping {broker.host}; events stay in the outbox until it works.",
    )


def _no_tls(name: str, table: str, broker: BrokerSettings, error: ssl.SSLError) -> Finding:
    reason = describe_connect_error(error)
    expired = isinstance(error, ssl.SSLCertVerificationError) and "expired" in error.verify_message
    return make_finding(
        "broker_untrusted",
        "error",
        name,
        f"The TLS handshake with the broker of [{table}] failed: {reason}. Events are queued.",
        Action.CALL_SUPPORT if expired else Action.CONFIGURE,
        f"Ask the operator of {broker.host} to renew its certificate; if this machine's clock is "
        "wrong, set it."
        if expired
        else (
            f"Check that the certificate of {broker.host} names this host, and that [{table}.tls] "
            "ca_file has its CA."
        ),
    )


def _refused(broker: BrokerSettings, probe_topic: str | None) -> tuple[str | None, bool]:
    """Return why a broker rejects our CONNECT, or None; and True if it accepted the probe."""
    answer: list[str | None] = []
    codes: list[ReasonCode] = []
    answered, written = threading.Event(), threading.Event()

    def wrote(_c: mqtt.Client, _u: object, _mid: int, reason: ReasonCode, _p: object) -> None:
        codes.append(reason)
        written.set()

    def connected(_c: mqtt.Client, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        answer.append(str(reason) if reason.is_failure else None)
        answered.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=random_client_id(), protocol=mqtt.MQTTv5)
    client.on_connect, client.on_publish = connected, wrote
    client.connect_timeout = ANSWER_S
    if broker.tls is not None:
        client.tls_set_context(tls_context(broker.tls))
    if broker.username is not None:
        password = broker.password.get_secret_value() if broker.password is not None else None
        client.username_pw_set(broker.username, password)
    try:
        client.connect(broker.host, broker.port, keepalive=10, clean_start=True)
        client.loop_start()
        if not answered.wait(ANSWER_S):
            return "it closes the connection, or does not respond", False
        if probe_topic is not None and answer[0] is None:
            client.publish(probe_topic, b"", qos=1)
            written.wait(ANSWER_S)
    except (OSError, ValueError) as error:
        return describe_connect_error(error), False
    finally:
        client.disconnect()
        client.loop_stop()
    return answer[0], any(not code.is_failure for code in codes)
