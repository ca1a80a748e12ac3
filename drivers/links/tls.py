"""Whom a TLS client trusts, the same under every Python."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | str | None) -> ssl.SSLContext:
    """Verify name and authority; None: those the system trusts. Raises OSError (ssl.SSLError is one).

    Python 3.13 began to refuse certificates that lack what RFC 5280 asks for, such as the identifier of the
    authority's key. Those that `openssl x509 -req` made for cameras, document services and brokers lack it,
    and a post shall not lose its devices to an update of Python: who signed them is verified all the same.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
