"""Domain parameters and arithmetic, against the library's curves and the properties of the primes."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.passport.chip.crypto.curves import Curve, ModpGroup
from simulators.passport.chip.crypto.domain_parameters import BY_NAME, STANDARDISED, curve
from simulators.passport.chip.crypto.key_agreement import KeyPair

CURVES = [group for group in STANDARDISED.values() if isinstance(group, Curve)]
GROUPS = [group for group in STANDARDISED.values() if isinstance(group, ModpGroup)]
LIBRARY = {
    "secp224r1": ec.SECP224R1, "secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1,
    "secp521r1": ec.SECP521R1,
    "brainpoolP256r1": ec.BrainpoolP256R1, "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
}  # fmt: skip


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=15)
@given(share=st.floats(0.0, 0.999))
def test_public_keys_match_library(name: str, share: float) -> None:
    group = curve(name)
    private = 1 + int(share * (group.order - 2))
    theirs = ec.derive_private_key(private, LIBRARY[name]()).public_key()
    assert KeyPair(group, private).public == theirs.public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )


@pytest.mark.parametrize("group", CURVES, ids=lambda g: g.name)
def test_generator_is_on_curve_with_its_order(group: Curve) -> None:
    assert group.holds(group.generator)
    before_last = group.times(group.generator, group.order - 1)
    assert before_last == (group.generator[0], group.p - group.generator[1])
    with pytest.raises(ValueError, match="infinity"):
        group.combine(before_last, group.generator)
    with pytest.raises(ValueError, match="infinity"):
        group.times(group.generator, group.order)
    doubled = group.combine(group.generator, group.generator)
    assert doubled == group.times(group.generator, 2)
    assert group.decode(group.encode(doubled)) == doubled
    assert group.secret(doubled) == group.encode(doubled)[1 : 1 + group.element_size]


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_group_generator_has_its_order(group: ModpGroup) -> None:
    assert pow(group.generator, group.order, group.p) == 1
    assert (group.p - 1) % group.order == 0
    assert group.decode(group.encode(group.generator)) == group.generator


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
@pytest.mark.parametrize("element", [0, 1, 2, -1])
def test_elements_outside_subgroup_are_refused(group: ModpGroup, element: int) -> None:
    with pytest.raises(ValueError, match="subgroup"):
        group.decode((element % group.p).to_bytes(group.element_size, "big"))


@pytest.mark.parametrize(
    "encoded", [b"", b"\x04", b"\x02" + bytes(64), b"\x04" + bytes(64), b"\x04" + b"\xff" * 64]
)
def test_points_off_curve_are_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="point"):
        curve("brainpoolP256r1").decode(encoded)


def test_invalid_private_key_is_drawn_again() -> None:
    group = STANDARDISED[BY_NAME["secp256r1"]]
    draws = [bytes(32), b"\xff" * 32, bytes(31) + b"\x07"]
    assert KeyPair.generate(group, lambda _: draws.pop(0)).private == 7


def test_group_is_not_a_curve() -> None:
    with pytest.raises(KeyError):
        curve("modp1024-160")
