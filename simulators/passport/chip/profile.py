"""The kind of chip in a document: protocols, keys, files."""

from dataclasses import dataclass
from enum import StrEnum

from simulators.passport.chip import face, lds
from simulators.passport.chip.crypto.ciphers import Cipher
from simulators.passport.chip.crypto.curves import ModpGroup
from simulators.passport.chip.crypto.domain_parameters import BY_NAME, STANDARDISED
from simulators.passport.chip.protocols.security_infos import EcParameters, Mapping, PaceInfo

SHORT_REPLY = 256
EXTENDED_REPLY = 4096
"""Maximum bytes of a reply of a chip with extended length, without the status word."""


class Access(StrEnum):
    """Access control of the chip."""

    BAC = "bac"
    PACE = "pace"
    BOTH = "both"
    OPEN = "open"
    """None: some of the first passports are read without a key."""


class ActiveAuthentication(StrEnum):
    """The kind of key in DG15."""

    RSA_SHA1 = "rsa-sha1"
    RSA_SHA256 = "rsa-sha256"
    ECDSA = "ecdsa"
    ECDSA_DER = "ecdsa-der"
    """ECDSA with the signature in DER, contrary to the standard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The kind of chip in a document."""

    access: Access = Access.BOTH
    pace: tuple[PaceInfo, ...] = (PaceInfo(Mapping.GENERIC, Cipher.AES_128, BY_NAME["brainpoolP256r1"]),)
    can: str | None = None
    """The six digits printed on the card, if PACE also accepts them."""
    chip_authentication: tuple[Cipher, ...] = ()
    """One Chip Authentication key per cipher, distinguished by protocol and key number."""
    chip_authentication_group: str = "brainpoolP256r1"
    active_authentication: ActiveAuthentication | None = None
    active_authentication_curve: str = "brainpoolP256r1"
    active_authentication_bits: int = 1024
    key_parameters: EcParameters = EcParameters.EXPLICIT
    """Form of the curve in the keys of DG14 and DG15; DG15 is explicit where DG14 has the number."""
    hash_name: str = "sha256"
    """The hash of the data groups in the security object."""
    version: lds.LdsVersion = lds.VERSION_1_7
    extended_length: bool = False
    end_of_file_warning: bool = True
    """True if reading beyond the end of a file is answered with 6282 rather than 9000."""
    image: face.ImageFormat = face.ImageFormat.JPEG
    image_padding: int = 0
    """Zero bytes after the picture, to make DG2 as large as a test needs."""
    details: bool = True
    """True if there are DG11 and DG12."""
    fingerprints: bool = False
    """True if there is a DG3, which no terminal may read."""

    def __post_init__(self) -> None:
        if self.access in (Access.PACE, Access.BOTH) and not self.pace:
            raise ValueError("a chip with PACE requires a PaceInfo")
        if self.can is not None and not (self.can.isascii() and self.can.isdigit()):
            raise ValueError(f"can: {self.can!r} is not a row of digits")
        mapped = {i.parameter_id for i in self.pace if i.mapping is Mapping.CHIP_AUTHENTICATION}
        if len(mapped) > 1:
            raise ValueError("one key serves all Chip Authentication Mappings: they share their parameters")
        groups = [*(info.group for info in self.pace), STANDARDISED[BY_NAME[self.chip_authentication_group]]]
        if not self.extended_length and any(
            isinstance(g, ModpGroup) and g.element_size > 128 for g in groups
        ):
            raise ValueError("keys of 2048 bits require extended length")
        if not self.extended_length and self.active_authentication_bits > 1792:
            raise ValueError("an Active Authentication key of more than 1792 bits requires extended length")
