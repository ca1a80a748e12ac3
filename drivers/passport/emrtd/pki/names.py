"""Subject of a certificate as text for a technician, also of a certificate that is malformed elsewhere."""

from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import MalformedError

_VERSION = 0xA0
_LABELS = {"2.5.4.6": "C", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.3": "CN", "2.5.4.5": "SERIALNUMBER"}
_BMP_STRING = 0x1E
_MAX_TEXT_LENGTH = 160
_MAX_PARTS = 16


def subject_text(certificate: bytes) -> str | None:
    """Return the subject of a certificate in DER, such as `C=UT, CN=CSCA`; None when it cannot be found."""
    try:
        body = der.elements(tlv.parse_first(certificate).value, 1)[0]
        fields = [item for item in der.elements(der.expect(body, der.SEQUENCE), 6) if item.tag != _VERSION]
        # Serial number, algorithm, issuer, validity, subject.
        parts = tlv.children(der.expect(fields[4], der.SEQUENCE), _MAX_PARTS)
        text = ", ".join(_part(item) for part in parts for item in tlv.children(part.value, _MAX_PARTS))
    except (MalformedError, IndexError):
        return None
    return text[:_MAX_TEXT_LENGTH] or None


def _part(item: tlv.Tlv) -> str:
    kind, value = der.elements(item.value, 2)[:2]
    dotted = der.oid(der.expect(kind, der.OID))
    encoding = "utf-16-be" if value.tag == _BMP_STRING else "utf-8"
    text = value.value.decode(encoding, "replace")
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return f"{_LABELS.get(dotted, dotted)}={shown}"
