"""An issuing state: its CSCA, document signers, revocation list and master list (Doc 9303-12, 7 and 9).

All of it is made on request and belongs to no existing state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import randbits

from simulators.passport.chip.encoding import der
from simulators.passport.chip.pki import cms
from simulators.passport.chip.pki.certificate import Certificate, State, Validity, key_id
from simulators.passport.chip.pki.signing_keys import SignatureScheme, SigningKey

MASTER_LIST = "2.23.136.1.1.2"
_COUNTRY, _ORGANISATION, _COMMON_NAME, _LOCALITY = "2.5.4.6", "2.5.4.10", "2.5.4.3", "2.5.4.7"
_SUBJECT_KEY_ID, _AUTHORITY_KEY_ID = "2.5.29.14", "2.5.29.35"
_KEY_USAGE, _KEY_USAGE_PERIOD, _BASIC_CONSTRAINTS = "2.5.29.15", "2.5.29.16", "2.5.29.19"
_SUBJECT_ALT_NAME, _ISSUER_ALT_NAME, _CRL_POINTS, _CRL_NUMBER = (
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.31",
    "2.5.29.20",
)
_EXTENDED_KEY_USAGE, _MASTER_LIST_SIGNING = "2.5.29.37", "2.23.136.1.1.3"
_DOCUMENT_TYPES = "2.23.136.1.1.6.2"
_DIGITAL_SIGNATURE, _CERT_SIGN, _CRL_SIGN = 0, 5, 6

_YEAR = timedelta(days=365)


@dataclass(slots=True)
class IssuingState:
    """A state with a CSCA. `document_signer` signs issued documents by default."""

    state: State
    csca: Certificate
    now: datetime
    revoked: list[Certificate] = field(default_factory=list)
    revoked_signer: Certificate | None = None
    """Signer of all documents of a revoked signer; None: each of them has its own."""
    _signer: Certificate | None = None
    _crl_number: int = 0

    @classmethod
    def create(
        cls,
        state: State | None = None,
        scheme: SignatureScheme | None = None,
        *,
        now: datetime | None = None,
        validity: Validity | None = None,
    ) -> "IssuingState":
        """Create a state with a self-signed CSCA, by default ECDSA over P-256."""
        state = state or State()
        moment = now or datetime.now(UTC)
        key = SigningKey.generate(scheme or SignatureScheme())
        name = _name(state, f"{state.alpha_3} simulated CSCA {randbits(24):06X}")
        extensions = [
            _extension(_BASIC_CONSTRAINTS, der.sequence(der.TRUE, der.integer(0)), critical=True),
            _extension(_KEY_USAGE, der.named_bits(_CERT_SIGN, _CRL_SIGN), critical=True),
            *_alternative_names(state, state),
        ]
        csca = _certificate(
            key,
            name,
            key,
            name,
            validity or Validity.spanning(moment, before=_YEAR, after=15 * _YEAR),
            extensions,
        )
        return cls(state, csca, moment)

    @property
    def document_signer(self) -> Certificate:
        """The document signer in use; made on first use, with the scheme of the CSCA."""
        if self._signer is None:
            self._signer = self.new_document_signer()
        return self._signer

    def new_document_signer(
        self,
        scheme: SignatureScheme | None = None,
        *,
        validity: Validity | None = None,
        state: State | None = None,
        key_identifier: bytes | None = None,
    ) -> Certificate:
        """Create an additional document signer, of passports and cards.

        `key_identifier`: value of another subject key identifier than the standard's.
        """
        types = der.sequence(
            der.integer(0), der.set_of(*(der.printable(code) for code in ("P", "I", "A", "C")))
        )
        return self._signed(
            "simulated Document Signer",
            scheme,
            validity or Validity.spanning(self.now, before=timedelta(days=30), after=10 * _YEAR),
            [_extension(_DOCUMENT_TYPES, types)],
            state or self.state,
            key_identifier,
        )

    def replace_document_signer(
        self, scheme: SignatureScheme | None = None, *, validity: Validity | None = None
    ) -> Certificate:
        """Issue with a new document signer from now on."""
        self._signer = self.new_document_signer(scheme, validity=validity)
        return self._signer

    def revoke(self, certificate: Certificate) -> None:
        """Add a certificate to the revocation list."""
        self.revoked.append(certificate)

    def revoke_signer_beforehand(self) -> None:
        """Revoke a signer of documents that are issued after the revocation list was written."""
        self.revoked_signer = self.new_document_signer()
        self.revoke(self.revoked_signer)

    def crl(self, *, validity: Validity | None = None) -> bytes:
        """Return the revocation list, in DER (Doc 9303-12, 7.1.4)."""
        self._crl_number += 1
        valid = validity or Validity.spanning(self.now, before=timedelta(days=1), after=timedelta(days=90))
        key = self.csca.key
        revoked = [
            der.sequence(der.integer(certificate.serial), der.time(valid.start))
            for certificate in self.revoked
        ]
        tbs = der.sequence(
            der.integer(1),
            key.algorithm_identifier,
            self.csca.issuer,
            der.time(valid.start),
            der.time(valid.end),
            der.sequence(*revoked) if revoked else b"",
            der.context(
                0,
                der.sequence(
                    _extension(_AUTHORITY_KEY_ID, der.sequence(der.context_primitive(0, self.csca.key_id))),
                    _extension(_CRL_NUMBER, der.integer(self._crl_number)),
                ),
            ),
        )
        return _sealed(tbs, key)

    def master_list(self, anchors: Sequence[Certificate]) -> bytes:
        """Return a master list of these CSCA certificates, signed by this state (Doc 9303-12, 9)."""
        signer = self._signed(
            "simulated Master List Signer",
            None,
            Validity.spanning(self.now, before=timedelta(days=30), after=_YEAR),
            [_extension(_EXTENDED_KEY_USAGE, der.sequence(der.oid(_MASTER_LIST_SIGNING)), critical=True)],
            self.state,
        )
        content = der.sequence(der.integer(0), der.set_of(*(anchor.der for anchor in anchors)))
        return cms.signed_data(MASTER_LIST, content, signer, extra=[self.csca], signed_at=self.now)

    def _signed(
        self,
        role: str,
        scheme: SignatureScheme | None,
        validity: Validity,
        extensions: list[bytes],
        state: State,
        key_identifier: bytes | None = None,
    ) -> Certificate:
        key = SigningKey.generate(scheme or self.csca.key.scheme)
        name = _name(state, f"{state.alpha_3} {role} {randbits(24):06X}")
        usage_end = min(validity.end, validity.start + timedelta(days=120))
        point = der.context(
            0, der.context(0, der.context_primitive(6, der.ia5_value("http://pki.utopia.example/crl")))
        )
        extensions = [
            _extension(_KEY_USAGE, der.named_bits(_DIGITAL_SIGNATURE), critical=True),
            _extension(_KEY_USAGE_PERIOD, _usage_period(validity.start, usage_end)),
            _extension(_CRL_POINTS, der.sequence(der.sequence(point))),
            *_alternative_names(state, self.state),
            *extensions,
        ]
        return _certificate(key, name, self.csca.key, self.csca.issuer, validity, extensions, key_identifier)


def _certificate(
    key: SigningKey,
    name: bytes,
    issuer_key: SigningKey,
    issuer: bytes,
    validity: Validity,
    extensions: list[bytes],
    key_identifier: bytes | None = None,
) -> Certificate:
    serial = randbits(126) | 1 << 126
    identifiers = [
        _extension(_SUBJECT_KEY_ID, key_identifier or der.octet_string(key_id(key))),
        _extension(_AUTHORITY_KEY_ID, der.sequence(der.context_primitive(0, key_id(issuer_key)))),
    ]
    tbs = der.sequence(
        der.context(0, der.integer(2)),
        der.integer(serial),
        issuer_key.algorithm_identifier,
        issuer,
        der.sequence(der.time(validity.start), der.time(validity.end)),
        name,
        key.public_key_info,
        der.context(3, der.sequence(*identifiers, *extensions)),
    )
    return Certificate(_sealed(tbs, issuer_key), serial, issuer, key, validity)


def _sealed(tbs: bytes, key: SigningKey) -> bytes:
    return der.sequence(tbs, key.algorithm_identifier, der.bit_string(key.sign(tbs)))


def _name(state: State, common_name: str) -> bytes:
    parts = (
        (_COUNTRY, der.printable(state.alpha_2)),
        (_ORGANISATION, der.utf8("Simulated Issuing Office")),
        (_COMMON_NAME, der.utf8(common_name)),
    )
    return der.sequence(*(der.set_of(der.sequence(der.oid(kind), value)) for kind, value in parts))


def _alternative_names(subject: State, issuer: State) -> list[bytes]:
    """Return names with the state's three letters as in the zone; the name has two (7.1.1, localityName)."""

    def names(state: State) -> bytes:
        place = der.set_of(der.sequence(der.oid(_LOCALITY), der.printable(state.alpha_3)))
        return der.sequence(der.context(4, der.sequence(place)))

    return [_extension(_SUBJECT_ALT_NAME, names(subject)), _extension(_ISSUER_ALT_NAME, names(issuer))]


def _usage_period(start: datetime, end: datetime) -> bytes:
    moments = (f"{moment.astimezone(UTC):%Y%m%d%H%M%SZ}".encode() for moment in (start, end))
    return der.sequence(*(der.context_primitive(number, moment) for number, moment in enumerate(moments)))


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return der.sequence(der.oid(oid), der.TRUE if critical else b"", der.octet_string(value))
