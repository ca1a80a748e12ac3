"""A simulated chip of a travel document, written from Doc 9303-10, -11 and -12.

    utopia = IssuingState.create()
    traveller = TravellerGenerator(7).document(Format.TD3)
    chip = Chip.issue(traveller, utopia, Profile(access=Access.BAC), [CardRemoval(at=12)])
    chip.transmit(bytes.fromhex("00A4040C07A0000002471001"))

`VpcdSlot` puts it on a virtual reader of a real pcscd; `python -m simulators.passport.chip` does only that.
"""

from simulators.passport.chip.chip import Chip
from simulators.passport.chip.crypto.ciphers import Cipher
from simulators.passport.chip.faults import CardRemovedError, chip_fault_of
from simulators.passport.chip.personalisation import Personalisation, personalise
from simulators.passport.chip.pki.certificate import State, Validity
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.pki.signing_keys import Algorithm, SignatureScheme
from simulators.passport.chip.profile import Access, ActiveAuthentication, Profile
from simulators.passport.chip.protocols.security_infos import EcParameters, Mapping, PaceInfo
from simulators.passport.chip.vpcd import VpcdSlot

__all__ = [
    "Access",
    "ActiveAuthentication",
    "Algorithm",
    "CardRemovedError",
    "Chip",
    "Cipher",
    "EcParameters",
    "IssuingState",
    "Mapping",
    "PaceInfo",
    "Personalisation",
    "Profile",
    "SignatureScheme",
    "State",
    "Validity",
    "VpcdSlot",
    "chip_fault_of",
    "personalise",
]
