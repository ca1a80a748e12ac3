"""A workstation at the broker that a post's file names."""

import ssl

from gateway.client import Workstation
from gateway.config import Post


def workstation_of(post: Post, positions: list[str] | None = None) -> Workstation:
    """Connect as the gateway itself would, without a session that outlives us."""
    broker = post.broker
    tls = None
    if broker.tls is not None:
        tls = ssl.create_default_context(cafile=broker.tls.ca_file)
        if broker.tls.cert_file is not None:
            tls.load_cert_chain(broker.tls.cert_file, broker.tls.key_file)
    password = None
    if broker.password_file is not None:
        password = broker.password_file.read_text("utf-8").removesuffix("\n")
    return Workstation(
        broker.host,
        broker.port,
        site=post.gateway.site,
        positions=positions,
        username=broker.username,
        password=password,
        tls=tls,
    )
