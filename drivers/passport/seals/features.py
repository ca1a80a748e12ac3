"""What the features of a seal are, document by document.

Source: ICAO Doc 9303-13 (visa, emergency travel document); BSI TR-03137-1, version 2.5, chapters 5 to 10.
A seal names its definition of features and the category of its document; both together are the profile.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from drivers.passport.seals import c40
from drivers.passport.seals.errors import MalformedSealError
from drivers.passport.seals.model import Feature, FeatureName, FeatureReading, SealProfile

# A visa's seal holds its second line up to the end of the date of validity and its digit.
_VISA_SECOND_LINE = 28
_NO_DURATION = 0xFF


@dataclass(frozen=True, slots=True)
class Content:
    """What came of the bytes of a feature."""

    text: str | None = None
    number: int | None = None


Decode = Callable[[bytes], Content]


@dataclass(frozen=True, slots=True)
class Definition:
    """One feature as its profile defines it; lengths are in bytes."""

    name: FeatureName
    decode: Decode
    least: int
    most: int
    required: bool = True

    def read(self, tag: int, value: bytes) -> Feature:
        """Read it; what is not as defined keeps its bytes."""
        content, reading = Content(), FeatureReading.MALFORMED
        if self.least <= len(value) <= self.most:
            with suppress(MalformedSealError):
                content, reading = self.decode(value), FeatureReading.READ
        return Feature(
            tag=tag,
            name=self.name,
            reading=reading,
            text=content.text,
            number=content.number,
            value_hex=value.hex(),
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """The features of one kind of document, by tag."""

    kind: SealProfile
    definitions: Mapping[int, Definition]

    def read(self, items: Iterable[tuple[int, bytes]]) -> tuple[Feature, ...]:
        """Read the features of a message zone; tags that are not defined are allowed everywhere."""
        return tuple(
            self.definitions[tag].read(tag, value) if tag in self.definitions else raw(tag, value)
            for tag, value in items
        )

    def missing(self, features: Iterable[Feature]) -> tuple[FeatureName, ...]:
        """Name what is required and not there; one of the two zones of a visa is enough."""
        there = {feature.name for feature in features}
        required = (item.name for item in self.definitions.values() if item.required)
        return tuple(dict.fromkeys(name for name in required if name not in there))


def profile(definition: int, category: int) -> Profile:
    """Find a profile; one that is not known defines no features."""
    return PROFILES.get((definition, category), _UNKNOWN)


def raw(tag: int, value: bytes) -> Feature:
    """Keep a feature of which nothing is known."""
    return Feature(tag=tag, name=FeatureName.UNKNOWN, reading=FeatureReading.RAW, value_hex=value.hex())


def _capitals(value: bytes) -> Content:
    return Content(c40.decode(value).rstrip(" "))


def _utf8(value: bytes) -> Content:
    try:
        return Content(value.decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedSealError("a feature is no UTF-8") from None


def _number(value: bytes) -> Content:
    return Content(number=int.from_bytes(value, "big"))


def _bytes(value: bytes) -> Content:  # noqa: ARG001 - they are kept anyway
    return Content()


def _duration(value: bytes) -> Content:
    """Days, months and years, a byte each; FF is none of these."""
    days, months, years = value
    if _NO_DURATION in value:
        return Content()
    return Content(f"P{years}Y{months}M{days}D")


def _zone(width: int, second: int) -> Decode:
    """Read a zone of two lines, of which the second may be cut short."""

    def decode(value: bytes) -> Content:
        text = c40.decode(value).replace(" ", "<")
        if len(text) != width + second:
            raise MalformedSealError("a zone has not as many characters as its lines")
        return Content(f"{text[:width]}\n{text[width:].ljust(width, '<')}")

    return decode


_MRZ_TD2 = Definition(FeatureName.MRZ, _zone(36, 36), 48, 48)
_MRZ_A = Definition(FeatureName.MRZ, _zone(44, _VISA_SECOND_LINE), 48, 48)
_MRZ_B = Definition(FeatureName.MRZ, _zone(36, _VISA_SECOND_LINE), 44, 44)
_PASSPORT = Definition(FeatureName.PASSPORT_NUMBER, _capitals, 6, 6)
_DOCUMENT = Definition(FeatureName.DOCUMENT_NUMBER, _capitals, 6, 6)
_MUNICIPALITY = Definition(FeatureName.MUNICIPALITY_CODE, _capitals, 6, 6)
_ADDRESS = Profile(
    SealProfile.ADDRESS_STICKER,
    {1: _DOCUMENT, 2: _MUNICIPALITY, 3: Definition(FeatureName.ADDRESS, _capitals, 4, 18)},
)

PROFILES: dict[tuple[int, int], Profile] = {
    (0x5D, 0x01): Profile(
        SealProfile.VISA,
        {
            1: _MRZ_A,
            2: _MRZ_B,
            # Public lists of ICAO profiles have it required; TR-03137 leaves it out.
            3: Definition(FeatureName.NUMBER_OF_ENTRIES, _number, 1, 1, required=False),
            4: Definition(FeatureName.DURATION_OF_STAY, _duration, 3, 3),
            5: _PASSPORT,
            6: Definition(FeatureName.VISA_TYPE, _bytes, 1, 4, required=False),
            7: Definition(FeatureName.ADDITIONAL, _bytes, 0, 254, required=False),
        },
    ),
    (0x5E, 0x03): Profile(SealProfile.EMERGENCY_TRAVEL_DOCUMENT, {2: _MRZ_TD2}),
    (0xFD, 0x02): Profile(
        SealProfile.ARRIVAL_ATTESTATION,
        {2: _MRZ_TD2, 3: Definition(FeatureName.AZR_NUMBER, _capitals, 8, 8)},
    ),
    (0xFC, 0x04): Profile(
        SealProfile.SOCIAL_INSURANCE_CARD,
        {
            1: Definition(FeatureName.SOCIAL_INSURANCE_NUMBER, _capitals, 8, 8),
            2: Definition(FeatureName.SURNAME, _utf8, 1, 90),
            3: Definition(FeatureName.FIRST_NAME, _utf8, 1, 90),
            4: Definition(FeatureName.BIRTH_NAME, _utf8, 1, 90, required=False),
        },
    ),
    (0xFB, 0x06): Profile(SealProfile.RESIDENCE_PERMIT, {2: _MRZ_TD2, 3: _PASSPORT}),
    (0xFA, 0x06): Profile(
        SealProfile.RESIDENCE_PERMIT_SUPPLEMENT,
        {4: _MRZ_TD2, 5: Definition(FeatureName.SHEET_NUMBER, _capitals, 6, 6)},
    ),
    (0xF9, 0x08): _ADDRESS,
    (0xF9, 0x0C): _ADDRESS,
    (0xF8, 0x0A): Profile(
        SealProfile.RESIDENCE_STICKER,
        {1: _DOCUMENT, 2: _MUNICIPALITY, 3: Definition(FeatureName.POSTAL_CODE, _capitals, 4, 4)},
    ),
}
_UNKNOWN = Profile(SealProfile.UNKNOWN, {})
