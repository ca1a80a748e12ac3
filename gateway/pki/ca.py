"""Certificate authority of a post.

X.509 (RFC 5280) with ECDSA over P-256, which every broker and client supports. Certificates are valid from a
month before they are made: a machine without a clock of its own starts in the past.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.pki.keys import UnusableKeyError, private_key

NOT_BEFORE_SKEW = timedelta(days=30)
CA_LIFETIME = timedelta(days=3653)
NO_KEY_USAGE = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}
REVOCATION_REASONS: dict[str, x509.ReasonFlags] = {
    "lost": x509.ReasonFlags.key_compromise,
    "left": x509.ReasonFlags.cessation_of_operation,
    "replaced": x509.ReasonFlags.superseded,
}
"""Reasons for revocation, and their flags in the list (RFC 5280, section 5.3.1)."""


class NoPassphraseError(Exception):
    """The authority's key is encrypted, and the passphrase is missing or wrong."""


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate that is revoked."""

    serial: int
    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate with its private key, both PEM."""

    certificate: x509.Certificate
    key: bytes

    @property
    def pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


class CertificateAuthority:
    """Authority that issues and revokes certificates. Its key gives every name at the broker."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def make(cls, name: str) -> Self:
        """Make an authority with a common name."""
        key, now = ec.generate_private_key(ec.SECP256R1()), _now()
        subject = _name(name)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - NOT_BEFORE_SKEW)
            .not_valid_after(now + CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(**NO_KEY_USAGE | {"key_cert_sign": True, "crl_sign": True}), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(builder.sign(key, SHA256()), key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes, passphrase: bytes | None) -> Self:
        """Load an authority from PEM; raises NoPassphraseError, UnusableKeyError."""
        try:
            loaded = private_key(key, passphrase)
        except TypeError:
            if passphrase is None:
                raise NoPassphraseError(
                    "the authority's key is encrypted: a passphrase is required"
                ) from None
            loaded = private_key(key)  # a key without a passphrase
        except ValueError:
            if passphrase is not None:
                raise NoPassphraseError("that is not the passphrase of the authority's key") from None
            raise UnusableKeyError("ca.key holds no private key") from None
        try:
            issuer = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            raise UnusableKeyError("ca.crt holds no certificate") from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != issuer.public_key():
            raise UnusableKeyError("ca.key is not the key of ca.crt")
        return cls(issuer, loaded)

    @property
    def pem(self) -> bytes:
        """The authority's certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: bytes | None) -> bytes:
        """Return its key, PEM, encrypted where a passphrase is given."""
        kept = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept)

    def issue(self, name: str, days: int, addresses: Iterable[str] = ()) -> IssuedCertificate:
        """Issue a certificate; with addresses it is a server's, else a client's."""
        key, now = ec.generate_private_key(ec.SECP256R1()), _now()
        ends = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        addresses = list(addresses)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if addresses else ExtendedKeyUsageOID.CLIENT_AUTH
        known = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - NOT_BEFORE_SKEW)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**NO_KEY_USAGE | {"digital_signature": True}), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False
            )
        )
        if addresses:
            names = x509.SubjectAlternativeName([_address(text) for text in addresses])
            builder = builder.add_extension(names, critical=False)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return IssuedCertificate(builder.sign(self._key, SHA256()), secret)

    def revocation_list(self, revoked: Iterable[RevokedCertificate]) -> bytes:
        """Return the revocation list, PEM.

        It is valid as long as the authority: OpenSSL refuses every client once a list is out of date, and no
        post must stop because the same list was not signed again.
        """
        now = _now()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - NOT_BEFORE_SKEW)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for one in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(one.serial)
                .revocation_date(one.revoked_at)
                .add_extension(x509.CRLReason(REVOCATION_REASONS[one.reason]), critical=False)
                .build()
            )
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _address(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
