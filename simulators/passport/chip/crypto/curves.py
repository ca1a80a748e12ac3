"""Arithmetic on elliptic curves over prime fields in short Weierstrass form (BSI TR-03111, section 4.3).

Written here because PACE uses a mapped generator, which no library supports. Not fast (some milliseconds per
multiplication) and not protected against side channels: the keys of a simulated chip have no value.
"""

from dataclasses import dataclass

Point = tuple[int, int]
"""An affine point. The point at infinity has none: where it can occur, it is None."""

_Jacobian = tuple[int, int, int]
_INFINITY: _Jacobian = (1, 1, 0)


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 = x^3 + ax + b over the integers modulo p; `generator` has the prime order `order`, cofactor 1."""

    name: str
    p: int
    a: int
    b: int
    generator: Point
    order: int

    @property
    def element_size(self) -> int:
        """Bytes of a coordinate."""
        return (self.p.bit_length() + 7) // 8

    @property
    def scalar_size(self) -> int:
        """Bytes of a private key."""
        return (self.order.bit_length() + 7) // 8

    def holds(self, point: Point) -> bool:
        """Return whether the point is on the curve."""
        x, y = point
        return 0 <= x < self.p and 0 <= y < self.p and (y * y - (x * x + self.a) * x - self.b) % self.p == 0

    def times(self, point: Point, scalar: int) -> Point:
        """Multiply `point` by `scalar`; raise ValueError for the point at infinity."""
        addend, total = (*point, 1), _INFINITY
        for bit in f"{scalar % self.order:b}":
            total = self._double(total)
            if bit == "1":
                total = self._add(total, addend)
        return self._affine(total)

    def combine(self, one: Point, other: Point) -> Point:
        """Add two points; raise ValueError for the point at infinity."""
        return self._affine(self._add((*one, 1), (*other, 1)))

    def encode(self, point: Point) -> bytes:
        """Encode a point as the protocols send it: uncompressed, 04, x, y (TR-03111, 3.2.1)."""
        return b"\x04" + b"".join(c.to_bytes(self.element_size, "big") for c in point)

    def decode(self, encoded: bytes) -> Point:
        """Decode a point; raise ValueError if it is not an uncompressed point of this curve."""
        size = self.element_size
        if len(encoded) != 1 + 2 * size or encoded[0] != 4:
            raise ValueError("not an uncompressed point of this curve's size")
        point = int.from_bytes(encoded[1 : 1 + size], "big"), int.from_bytes(encoded[1 + size :], "big")
        if not self.holds(point):
            raise ValueError("not a point of this curve")
        return point

    def secret(self, point: Point) -> bytes:
        """Return the shared secret of two parties that agreed on `point`: its x (Doc 9303-11, 9.7.1)."""
        return point[0].to_bytes(self.element_size, "big")

    def _double(self, point: _Jacobian) -> _Jacobian:
        x, y, z = point
        if z == 0 or y == 0:
            return _INFINITY
        p = self.p
        squared = y * y % p
        s = 4 * x * squared % p
        zz = z * z % p
        m = (3 * x * x + self.a * zz * zz) % p
        doubled = (m * m - 2 * s) % p
        return doubled, (m * (s - doubled) - 8 * squared * squared) % p, 2 * y * z % p

    def _add(self, one: _Jacobian, other: _Jacobian) -> _Jacobian:
        if one[2] == 0:
            return other
        p = self.p
        (x1, y1, z1), (x2, y2, z2) = one, other
        zz1, zz2 = z1 * z1 % p, z2 * z2 % p
        u1, u2 = x1 * zz2 % p, x2 * zz1 % p
        s1, s2 = y1 * zz2 * z2 % p, y2 * zz1 * z1 % p
        h, r = (u2 - u1) % p, (s2 - s1) % p
        if h == 0:
            return self._double(one) if r == 0 else _INFINITY
        hh = h * h % p
        hhh, v = h * hh % p, u1 * hh % p
        x3 = (r * r - hhh - 2 * v) % p
        return x3, (r * (v - x3) - s1 * hhh) % p, h * z1 * z2 % p

    def _affine(self, point: _Jacobian) -> Point:
        x, y, z = point
        if z == 0:
            raise ValueError("the point at infinity")
        inverse = pow(z, -1, self.p)
        square = inverse * inverse % self.p
        return x * square % self.p, y * square * inverse % self.p


@dataclass(frozen=True, slots=True)
class ModpGroup:
    """The integers modulo a prime p; `generator` has the prime order `order` (RFC 5114)."""

    name: str
    p: int
    generator: int
    order: int

    @property
    def element_size(self) -> int:
        """Bytes of an element."""
        return (self.p.bit_length() + 7) // 8

    @property
    def scalar_size(self) -> int:
        """Bytes of a private key."""
        return (self.order.bit_length() + 7) // 8

    def times(self, element: int, scalar: int) -> int:
        """Raise `element` to the power of `scalar`; named as on a curve, so that both have one interface."""
        return pow(element, scalar, self.p)

    def combine(self, one: int, other: int) -> int:
        """Multiply two elements."""
        return one * other % self.p

    def encode(self, element: int) -> bytes:
        """Encode an element as the protocols send it: as long as p."""
        return element.to_bytes(self.element_size, "big")

    def decode(self, encoded: bytes) -> int:
        """Decode an element; raise ValueError if it is not in the subgroup of the generator."""
        element = int.from_bytes(encoded, "big")
        if not 1 < element < self.p - 1 or pow(element, self.order, self.p) != 1:
            raise ValueError("not an element of the subgroup")
        return element

    def secret(self, element: int) -> bytes:
        """Return the shared secret of two parties that agreed on `element` (Doc 9303-11, 9.7.1)."""
        return self.encode(element)


Group = Curve | ModpGroup
