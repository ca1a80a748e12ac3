"""The document security object: the hashes of the data groups, signed (Doc 9303-10, 4.6.2)."""

import hashlib
from collections.abc import Mapping

from simulators.passport.chip.encoding import der
from simulators.passport.chip.encoding.tlv import tlv
from simulators.passport.chip.lds import UNICODE_VERSION, LdsVersion
from simulators.passport.chip.pki import cms
from simulators.passport.chip.pki.certificate import Certificate
from simulators.passport.chip.pki.signing_keys import digest_identifier

LDS_SECURITY_OBJECT = "2.23.136.1.1.1"


def security_object(
    groups: Mapping[int, bytes], signer: Certificate, hash_name: str, version: LdsVersion
) -> bytes:
    """Encode EF.SOD over the data groups, by their numbers."""
    return tlv(0x77, cms.signed_data(LDS_SECURITY_OBJECT, hashes(groups, hash_name, version), signer))


def hashes(groups: Mapping[int, bytes], hash_name: str, version: LdsVersion) -> bytes:
    """Encode LDSSecurityObject; version 1 also has the LDS version."""
    listed = (
        der.sequence(der.integer(number), der.octet_string(hashlib.new(hash_name, content).digest()))
        for number, content in sorted(groups.items())
    )
    versions = der.sequence(der.printable(version.text), der.printable(UNICODE_VERSION))
    return der.sequence(
        der.integer(version.security_object),
        digest_identifier(hash_name),
        der.sequence(*listed),
        versions if version.security_object else b"",
    )
