"""Settings of delivery, made from the configuration: destinations and outbox."""

from pydantic import SecretStr

from drivers.observation import DataClass
from gateway.config import DestinationSection, Post
from gateway.delivery.settings import (
    DAY_S,
    BrokerSettings,
    ClassSettings,
    DeliverySettings,
    DestinationSettings,
    KeySettings,
    OutboxSettings,
    TlsSettings,
)


def delivery_settings(post: Post) -> DeliverySettings:
    """Return the settings of delivery; raises OSError when a password file cannot be read."""
    kept = post.delivery
    sending = {"in_flight": kept.in_flight, "backlog_rate_per_s": kept.backlog_rate_per_s}
    requires_acl = post.gateway.profile == "production" and post.commands.roles_file is not None
    destinations = [DestinationSettings.local(_broker(post.broker), requires_acl=requires_acl, **sending)]
    if post.hq is not None:
        classes = {DataClass.RECORD} | ({DataClass.TRAVELLER} if post.hq.send_traveller else set())
        destinations.append(DestinationSettings.hq(_broker(post.hq), classes=classes, **sending))
    outbox = OutboxSettings(
        directory=post.gateway.state_dir / "outbox",
        traveller=ClassSettings(
            expires_s=kept.traveller_expires_s, max_events=kept.max_events, max_bytes=kept.max_bytes
        ),
        record=ClassSettings(
            expires_s=kept.record_expires_days * DAY_S, max_events=kept.max_events, max_bytes=kept.max_bytes
        ),
        max_bytes=kept.max_bytes,
        max_blob_bytes=kept.max_image_bytes,
        key=KeySettings(
            credential=post.encryption.credential,
            file=post.encryption.key_file,
            variable=post.encryption.key_variable,
        ),
    )
    return DeliverySettings(outbox=outbox, destinations=tuple(destinations))


def _broker(there: DestinationSection) -> BrokerSettings:
    password = None
    if there.password_file is not None:
        # A final line end is not part of the password: every editor adds one.
        password = SecretStr(there.password_file.read_text("utf-8").removesuffix("\n").removesuffix("\r"))
    tls = there.tls and TlsSettings(ca=there.tls.ca_file, cert=there.tls.cert_file, key=there.tls.key_file)
    return BrokerSettings(
        host=there.host,
        port=there.port,
        username=there.username,
        password=password,
        tls=tls,
        keepalive_s=there.keepalive_s,
    )
