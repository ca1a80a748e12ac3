"""Trust settings of TLS clients, the same under every Python."""

import ssl
from pathlib import Path

from drivers.links.link import Action, Cause, LinkError


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


def device_context(ca_file: Path | None) -> ssl.SSLContext:
    """Create the context for the connection to a device; raises LinkError where `ca_file` is unusable."""
    try:
        return client_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        # ssl.SSLError is an OSError whose strerror quotes OpenSSL; only the operating system's words help.
        why = "contains no certificate" if isinstance(error, ssl.SSLError) else error.strerror or "unreadable"
        raise LinkError(
            Cause.NO_PERMISSION, f"{ca_file}: {why}.", Action.CONFIGURE, "Correct `ca_file`."
        ) from None


def to_link_error(error: ssl.SSLError, url: str, cleartext_scheme: str) -> LinkError:
    """Return the link error for a handshake that failed; `cleartext_scheme`: the one without TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return LinkError(
            Cause.WRONG_DEVICE,
            f"{url} has a certificate that is not trusted: {error.verify_message}.",
            Action.CONFIGURE,
            "Configure the authority that signed it as `ca_file`, or renew the certificate.",
        )
    return LinkError(
        Cause.WRONG_DEVICE,
        f"{url} shares no TLS parameters with the gateway ({error.reason or 'no reason given'}).",
        Action.CONFIGURE,
        f"Correct `url`: a service without TLS is {cleartext_scheme}://.",
    )
