"""Kinds of files in a trust store that are no certificates, with what to give instead."""

from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import MalformedError

_PKCS12_VERSION = b"\x03"
_WEB_PAGE = "this is a web page and no certificate, as after a download without login: get it again"
_LDIF = "this is an LDIF file of the ICAO public key directory: extract its master lists and certificates"
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "this is a ZIP archive: unpack it"),
    (b"dn:", _LDIF),
    (b"version:", _LDIF),
    (b"<", _WEB_PAGE),
    (b"{", "this is a JSON file and no certificate"),
)


def unusable_kind(content: bytes) -> str | None:
    """State what a file is that has no certificate, revocation list or signed master list; None otherwise."""
    if not content.strip():
        return "the file is empty"
    head = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    for beginning, text in _BEGINNINGS:
        if head.startswith(beginning):
            return text
    if content[0] != der.SEQUENCE:
        return "this is neither PEM nor DER: it is no certificate, revocation list or master list"
    try:
        items = tlv.children(tlv.parse_first(content).value, most=8)
    except MalformedError:
        return None  # Cut or altered: the parser's own error states more.
    return _sequence_kind(items)


def _sequence_kind(items: tuple[tlv.Tlv, ...]) -> str | None:
    if len(items) < 2 or items[0].tag != der.INTEGER:
        return None
    if items[1].tag == der.SET:
        return (
            "this is the content of a master list without its CMS wrapper (SignedData), so the signature "
            "that shows it to be unaltered is missing: get the signed file from its publisher"
        )
    if items[0].value == _PKCS12_VERSION and items[1].tag == der.SEQUENCE:
        return "this is a key store (PKCS #12): export its certificates into PEM files, without private keys"
    return None
