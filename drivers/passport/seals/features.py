"""Features of a seal, by kind of document.

Source: ICAO Doc 9303-13 (visa, emergency travel document); BSI TR-03137-1, version 2.5, chapters 5 to 10. A
seal names its definition of features and the category of its document; both together are the profile.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from drivers.passport.seals.encoding import c40
from drivers.passport.seals.errors import MalformedSealError
from drivers.passport.seals.model import Feature, FeatureName, SealProfile
from drivers.passport.seals.parts import FeatureReading

# A visa's seal holds its second line up to the end of the date of validity and its digit.
_VISA_SECOND_LINE = 28
_NO_DURATION = 0xFF


@dataclass(frozen=True, slots=True)
class FeatureContent:
    """Decoded bytes of a feature."""

    text: str | None = None
    number: int | None = None


Decode = Callable[[bytes], FeatureContent]


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One feature as its profile defines it; lengths are in bytes."""

    name: FeatureName
    decode: Decode
    least: int
    most: int
    required: bool = True

    def read(self, tag: int, value: bytes) -> Feature:
        """Parse the feature; bytes that are not as defined are kept."""
        content, reading = FeatureContent(), FeatureReading.MALFORMED
        if self.least <= len(value) <= self.most:
            with suppress(MalformedSealError):
                content, reading = self.decode(value), FeatureReading.READ
        return Feature(
            tag=tag,
            name=self.name,
            status=reading,
            text=content.text,
            number=content.number,
            value_hex=value.hex(),
        )


@dataclass(frozen=True, slots=True)
class SealProfileDefinition:
    """Features of one kind of document, by tag."""

    kind: SealProfile
    definitions: Mapping[int, FeatureDefinition]

    def read(self, items: Iterable[tuple[int, bytes]]) -> tuple[Feature, ...]:
        """Parse the features of a message zone; undefined tags are permitted everywhere."""
        return tuple(
            self.definitions[tag].read(tag, value) if tag in self.definitions else raw_feature(tag, value)
            for tag, value in items
        )

    def missing(self, features: Iterable[Feature]) -> tuple[FeatureName, ...]:
        """Return the required features that are absent; one of the two zones of a visa is enough."""
        there = {feature.name for feature in features}
        required = (item.name for item in self.definitions.values() if item.required)
        return tuple(dict.fromkeys(name for name in required if name not in there))


def find_profile(definition: int, category: int) -> SealProfileDefinition:
    """Find a profile; an unknown one defines no features."""
    return PROFILES.get((definition, category), _UNKNOWN)


def raw_feature(tag: int, value: bytes) -> Feature:
    """Keep the bytes of an unknown feature."""
    return Feature(tag=tag, name=FeatureName.UNKNOWN, status=FeatureReading.RAW, value_hex=value.hex())


def _capitals(value: bytes) -> FeatureContent:
    return FeatureContent(c40.decode(value).rstrip(" "))


def _utf8(value: bytes) -> FeatureContent:
    try:
        return FeatureContent(value.decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedSealError("a feature is no UTF-8") from None


def _number(value: bytes) -> FeatureContent:
    return FeatureContent(number=int.from_bytes(value, "big"))


def _bytes(value: bytes) -> FeatureContent:  # noqa: ARG001 - they are kept anyway
    return FeatureContent()


def _duration(value: bytes) -> FeatureContent:
    """Parse days, months and years, a byte each; FF is none of these."""
    days, months, years = value
    if _NO_DURATION in value:
        return FeatureContent()
    return FeatureContent(f"P{years}Y{months}M{days}D")


def _zone(width: int, second: int) -> Decode:
    """Parse a zone of two lines, of which the second may be cut short."""

    def decode(value: bytes) -> FeatureContent:
        text = c40.decode(value).replace(" ", "<")
        if len(text) != width + second:
            raise MalformedSealError("a zone has not as many characters as its lines")
        return FeatureContent(f"{text[:width]}\n{text[width:].ljust(width, '<')}")

    return decode


_MRZ_TD2 = FeatureDefinition(FeatureName.MRZ, _zone(36, 36), 48, 48)
_MRZ_A = FeatureDefinition(FeatureName.MRZ, _zone(44, _VISA_SECOND_LINE), 48, 48)
_MRZ_B = FeatureDefinition(FeatureName.MRZ, _zone(36, _VISA_SECOND_LINE), 44, 44)
_PASSPORT = FeatureDefinition(FeatureName.PASSPORT_NUMBER, _capitals, 6, 6)
_DOCUMENT = FeatureDefinition(FeatureName.DOCUMENT_NUMBER, _capitals, 6, 6)
_MUNICIPALITY = FeatureDefinition(FeatureName.MUNICIPALITY_CODE, _capitals, 6, 6)
_ADDRESS = SealProfileDefinition(
    SealProfile.ADDRESS_STICKER,
    {1: _DOCUMENT, 2: _MUNICIPALITY, 3: FeatureDefinition(FeatureName.ADDRESS, _capitals, 4, 18)},
)

PROFILES: dict[tuple[int, int], SealProfileDefinition] = {
    (0x5D, 0x01): SealProfileDefinition(
        SealProfile.VISA,
        {
            1: _MRZ_A,
            2: _MRZ_B,
            # Public lists of ICAO profiles have it required; TR-03137 leaves it out.
            3: FeatureDefinition(FeatureName.NUMBER_OF_ENTRIES, _number, 1, 1, required=False),
            4: FeatureDefinition(FeatureName.DURATION_OF_STAY, _duration, 3, 3),
            5: _PASSPORT,
            6: FeatureDefinition(FeatureName.VISA_TYPE, _bytes, 1, 4, required=False),
            7: FeatureDefinition(FeatureName.ADDITIONAL, _bytes, 0, 254, required=False),
        },
    ),
    (0x5E, 0x03): SealProfileDefinition(SealProfile.EMERGENCY_TRAVEL_DOCUMENT, {2: _MRZ_TD2}),
    (0xFD, 0x02): SealProfileDefinition(
        SealProfile.ARRIVAL_ATTESTATION,
        {2: _MRZ_TD2, 3: FeatureDefinition(FeatureName.AZR_NUMBER, _capitals, 8, 8)},
    ),
    (0xFC, 0x04): SealProfileDefinition(
        SealProfile.SOCIAL_INSURANCE_CARD,
        {
            1: FeatureDefinition(FeatureName.SOCIAL_INSURANCE_NUMBER, _capitals, 8, 8),
            2: FeatureDefinition(FeatureName.SURNAME, _utf8, 1, 90),
            3: FeatureDefinition(FeatureName.FIRST_NAME, _utf8, 1, 90),
            4: FeatureDefinition(FeatureName.BIRTH_NAME, _utf8, 1, 90, required=False),
        },
    ),
    (0xFB, 0x06): SealProfileDefinition(SealProfile.RESIDENCE_PERMIT, {2: _MRZ_TD2, 3: _PASSPORT}),
    (0xFA, 0x06): SealProfileDefinition(
        SealProfile.RESIDENCE_PERMIT_SUPPLEMENT,
        {4: _MRZ_TD2, 5: FeatureDefinition(FeatureName.SHEET_NUMBER, _capitals, 6, 6)},
    ),
    (0xF9, 0x08): _ADDRESS,
    (0xF9, 0x0C): _ADDRESS,
    (0xF8, 0x0A): SealProfileDefinition(
        SealProfile.RESIDENCE_STICKER,
        {1: _DOCUMENT, 2: _MUNICIPALITY, 3: FeatureDefinition(FeatureName.POSTAL_CODE, _capitals, 4, 4)},
    ),
}
_UNKNOWN = SealProfileDefinition(SealProfile.UNKNOWN, {})
