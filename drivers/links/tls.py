"""Trust settings of TLS clients, the same under every Python."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | str | None) -> ssl.SSLContext:
    """Create a context that verifies name and authority; None: the system's authorities.

    Raises OSError (ssl.SSLError is one).

    Python 3.13 began to refuse certificates that lack extensions required by RFC 5280, such as the authority
    key identifier. Certificates that `openssl x509 -req` made for cameras, document services and brokers lack
    it. An update of Python must not disconnect the devices of a post; the signature is verified all the same.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
