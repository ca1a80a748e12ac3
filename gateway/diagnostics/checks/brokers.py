"""Brokers: does TCP reach them, does TLS hold, do they let this gateway in."""

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
from gateway.delivery.mqtt.connect import describe_connect_error, tls_context
from gateway.delivery.settings import BrokerSettings
from gateway.delivery_config import delivery_settings
from gateway.diagnostics.checks.certificates import certificate_from_der, check_lifetime
from gateway.diagnostics.findings import make_finding, make_ok_finding

ANSWER_S = 3.0


def check_brokers(post: Post, now: datetime) -> Iterator[Finding]:
    """Try every destination, as the gateway would come to it but under another client identifier."""
    try:
        destinations = delivery_settings(post).destinations
    except OSError as error:
        yield make_finding(
            "password_unusable",
            "error",
            "local",
            f"The password file {error.filename} cannot be read: {error.strerror}.",
            Action.CONFIGURE,
            f"sudo chown root:borderpost {error.filename} && sudo chmod 640 {error.filename}",
        )
        return
    gateway = post.gateway
    nobodys = SiteTopics(gateway.site, gateway.name, gateway.topic_root).acl_probe
    for destination in destinations:
        asks = gateway.profile == "production" and destination.name == "local"
        yield from _check_broker(destination.name, destination.broker, now, nobodys if asks else None)


def _check_broker(
    name: str, broker: BrokerSettings, now: datetime, probe_topic: str | None
) -> Iterator[Finding]:
    """`nobodys`: a topic that no access list lets anybody write; None where that is not asked."""
    table = "broker" if name == "local" else name
    try:
        with socket.create_connection((broker.host, broker.port), ANSWER_S) as plain:
            if broker.tls is not None:
                plain.settimeout(ANSWER_S)
                with tls_context(broker.tls).wrap_socket(plain, server_hostname=broker.host) as secure:
                    shown = secure.getpeercert(binary_form=True)
                if shown is not None:
                    yield check_lifetime(
                        f"the certificate that the broker of [{table}] shows",
                        certificate_from_der(shown),
                        now,
                        f"Have whoever runs {broker.host} renew it.",
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
            f"The broker of [{table}] lets anybody say anything: it has no access list, as the demo's.",
            Action.CONFIGURE,
            "Run Mosquitto with the access list that `borderpost trust` makes: config/mosquitto/README.md",
        )
    elif refused is None:
        yield make_ok_finding("broker_refuses", name, f"The broker of [{table}] lets this gateway in.")
    else:
        yield make_finding(
            "broker_refuses",
            "error",
            name,
            f"The broker of [{table}] does not let this gateway in: {refused}.",
            Action.CONFIGURE,
            f"Give it the user name and password, or the certificate, that [{table}] has; its log says more: "
            "sudo journalctl -u mosquitto -n 20",
        )


def _unreachable(name: str, table: str, broker: BrokerSettings, reason: str) -> Finding:
    local = name == "local"
    return make_finding(
        "broker_unreachable",
        "error" if local else "warning",
        name,
        f"Nothing answers at {broker.host}:{broker.port}, the broker of [{table}]: {reason}.",
        Action.RESTART if local else Action.CALL_SUPPORT,
        "sudo systemctl restart mosquitto; is [broker] host and port right?"
        if local
        else f"Is the line to headquarters up? ping {broker.host}; events wait in the outbox until it is.",
    )


def _no_tls(name: str, table: str, broker: BrokerSettings, error: ssl.SSLError) -> Finding:
    reason = describe_connect_error(error)
    expired = isinstance(error, ssl.SSLCertVerificationError) and "expired" in error.verify_message
    return make_finding(
        "broker_untrusted",
        "error",
        name,
        f"The broker of [{table}] cannot prove itself: {reason}.",
        Action.CALL_SUPPORT if expired else Action.CONFIGURE,
        f"Have whoever runs {broker.host} renew its certificate; if this machine's clock is wrong, set it."
        if expired
        else f"Does {broker.host} stand in its certificate, and is its authority in [{table}.tls] ca_file?",
    )


def _refused(broker: BrokerSettings, probe_topic: str | None) -> tuple[str | None, bool]:
    """Why a broker does not take our CONNECT, None when it does; and whether it let us write `nobodys`."""
    answer: list[str | None] = []
    codes: list[ReasonCode] = []
    answered, written = threading.Event(), threading.Event()

    def wrote(_c: mqtt.Client, _u: object, _mid: int, reason: ReasonCode, _p: object) -> None:
        codes.append(reason)
        written.set()

    def connected(_c: mqtt.Client, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        answer.append(str(reason) if reason.is_failure else None)
        answered.set()

    # Under the gateway's own identifier the broker would throw the gateway out.
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"{broker.client_id}-doctor", protocol=mqtt.MQTTv5
    )
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
            return "it hangs up, or does not answer", False
        if probe_topic is not None and answer[0] is None:
            client.publish(probe_topic, b"", qos=1)
            written.wait(ANSWER_S)
    except (OSError, ValueError) as error:
        return describe_connect_error(error), False
    finally:
        client.disconnect()
        client.loop_stop()
    return answer[0], any(not code.is_failure for code in codes)
