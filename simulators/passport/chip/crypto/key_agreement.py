"""Key pairs of PACE and Chip Authentication, over curves and modulo primes (Doc 9303-11, 9.4, 9.6)."""

from dataclasses import dataclass, replace
from typing import Any

from simulators.passport.chip.apdu import Randomness
from simulators.passport.chip.crypto.curves import Group


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key over a group, and its public key."""

    group: Group
    private: int

    @classmethod
    def generate(cls, group: Group, random: Randomness) -> "KeyPair":
        """Generate a key: as many random bytes as the order has, repeated until they are a private key."""
        while True:
            private = int.from_bytes(random(group.scalar_size), "big")
            if 0 < private < group.order:
                return cls(group, private)

    @property
    def public(self) -> bytes:
        """The public key, as the protocols send it."""
        group: Any = self.group  # an element of either kind of group
        return bytes(group.encode(group.times(group.generator, self.private)))

    def shared_element(self, public: bytes) -> Any:
        """Return the element agreed with another public key; raise ValueError if that is not of the group."""
        group: Any = self.group
        return group.times(group.decode(public), self.private)

    def secret(self, public: bytes) -> bytes:
        """Return the shared secret; raise ValueError if the other's key is not of the group."""
        group: Any = self.group
        return bytes(group.secret(self.shared_element(public)))


def with_generator(group: Group, generator: Any) -> Group:
    """Return the same group with another element as generator."""
    return replace(group, generator=generator)
