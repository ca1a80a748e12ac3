"""Signed attributes of CMS SignedData (RFC 5652, section 5.3), well and badly formed."""

from dataclasses import replace

import pytest
from support.chips.certificates import Key, certificate, oid, security_object, sequence, set_of

from drivers.passport.emrtd.encoding.tlv import encode
from drivers.passport.emrtd.errors import MalformedError
from drivers.passport.emrtd.pki.security_object import SecurityObject
from drivers.passport.emrtd.pki.signed_data import _attributes

VALUE = encode(0x04, b"digest")


def attribute(number: int, *more: bytes) -> bytes:
    return sequence(oid(f"1.2.{number}"), set_of(VALUE), *more)


@pytest.mark.parametrize("missing", ["1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"])
def test_missing_attribute_is_no_signature(missing: str) -> None:
    csca = certificate(Key("secp256r1"))
    signer = certificate(Key("secp256r1"), issuer=csca, common="DSC")
    sod = SecurityObject.parse(security_object({1: b"x"}, signer, csca))
    found = sod.signer(())
    assert found is not None
    assert sod.signed_data.signed_by(found)
    kept = tuple(each for each in sod.signed_data.attributes if each[0] != missing)
    assert len(kept) == len(sod.signed_data.attributes) - 1
    assert not replace(sod.signed_data, attributes=kept).signed_by(found)


def test_attributes_are_bounded() -> None:
    assert len(_attributes(set_of(*(attribute(number) for number in range(64))))) == 64
    with pytest.raises(MalformedError):
        _attributes(set_of(*(attribute(number) for number in range(65))))


def test_further_elements_are_ignored() -> None:
    assert _attributes(set_of(attribute(3, VALUE))) == (("1.2.3", VALUE),)


def test_attribute_twice_is_malformed() -> None:
    with pytest.raises(MalformedError):
        _attributes(set_of(attribute(3), attribute(3)))
