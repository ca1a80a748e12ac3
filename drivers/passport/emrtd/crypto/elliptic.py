"""Points of the elliptic curves that documents use.

Source: NIST FIPS 186-4, appendix D; RFC 5639; ICAO Doc 9303-11, section 9.5.1.

PACE needs a generator of its own for every session and the mapping needs both coordinates; the cryptographic
libraries offer neither, so the arithmetic is here: short Weierstrass curves, Jacobian coordinates. Its time
depends on the numbers. They live for one session of a reader at a counter, where their timing cannot be
measured; signatures are verified with it only on the curves that OpenSSL does not offer.
"""

from dataclasses import dataclass, field

from drivers.passport.emrtd.errors import MalformedError

Point = tuple[int, int]
_Jacobian = tuple[int, int, int]
_INFINITY: _Jacobian = (1, 1, 0)


@dataclass(frozen=True, slots=True)
class Curve:
    """y^2 = x^3 + ax + b over a prime field, with a generator of prime order and cofactor 1."""

    name: str
    parameter_id: int
    """Identifier of the standardized domain parameters (9303-11, section 9.5.1)."""
    oid: str
    p: int = field(repr=False)
    a: int = field(repr=False)
    b: int = field(repr=False)
    generator: Point = field(repr=False)
    order: int = field(repr=False)

    @property
    def size(self) -> int:
        """Length of a coordinate in bytes."""
        return (self.p.bit_length() + 7) // 8

    def contains(self, point: Point) -> bool:
        """Return true when a point is on the curve; the order is prime, so every such point generates it."""
        x, y = point
        return 0 <= x < self.p and 0 <= y < self.p and (y * y - (x * x + self.a) * x - self.b) % self.p == 0

    def encode(self, point: Point) -> bytes:
        """Write an uncompressed point: 04, x, y."""
        return b"\x04" + b"".join(value.to_bytes(self.size, "big") for value in point)

    def decode(self, data: bytes) -> Point:
        """Parse an uncompressed point; raises MalformedError when it is malformed or not on the curve."""
        if len(data) != 1 + 2 * self.size or data[0] != 4:
            raise MalformedError("a public key is not an uncompressed point of its curve")
        point = (
            int.from_bytes(data[1 : 1 + self.size], "big"),
            int.from_bytes(data[1 + self.size :], "big"),
        )
        if not self.contains(point):
            raise MalformedError("a public key is not on its curve")
        return point

    def multiply(self, scalar: int, point: Point) -> Point:
        """Multiply a point; raises MalformedError when the product is the point at infinity."""
        return self._affine(self._multiply(scalar, point))

    def combine(self, scalar: int, point: Point, other_scalar: int, other: Point) -> Point:
        """Compute scalar*point + other_scalar*other; raises MalformedError at infinity."""
        return self._affine(self._add(self._multiply(scalar, point), self._multiply(other_scalar, other)))

    def _multiply(self, scalar: int, point: Point) -> _Jacobian:
        scalar %= self.order
        table = [_INFINITY, (*point, 1)]
        for _ in range(14):
            table.append(self._add(table[-1], table[1]))
        total = _INFINITY
        for shift in range((scalar.bit_length() + 3) // 4 * 4 - 4, -1, -4):
            for _ in range(4):
                total = self._double(total)
            total = self._add(total, table[scalar >> shift & 15])
        return total

    def _double(self, point: _Jacobian) -> _Jacobian:
        x, y, z = point
        p = self.p
        if not z or not y:
            return _INFINITY
        yy = y * y % p
        s = 4 * x * yy % p
        zz = z * z % p
        m = (3 * x * x + self.a * zz * zz) % p
        x3 = (m * m - 2 * s) % p
        return x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p

    def _add(self, one: _Jacobian, other: _Jacobian) -> _Jacobian:
        x1, y1, z1 = one
        x2, y2, z2 = other
        if not z1:
            return other
        if not z2:
            return one
        p = self.p
        z1z1, z2z2 = z1 * z1 % p, z2 * z2 % p
        u1, u2 = x1 * z2z2 % p, x2 * z1z1 % p
        s1, s2 = y1 * z2 * z2z2 % p, y2 * z1 * z1z1 % p
        if u1 == u2:
            return self._double(one) if s1 == s2 else _INFINITY
        h = u2 - u1
        r = s2 - s1
        hh = h * h % p
        hhh = h * hh % p
        v = u1 * hh % p
        x3 = (r * r - hhh - 2 * v) % p
        return x3, (r * (v - x3) - s1 * hhh) % p, h * z1 * z2 % p

    def _affine(self, point: _Jacobian) -> Point:
        x, y, z = point
        if not z % self.p:
            raise MalformedError("a computation ended at the point at infinity")
        inverse = pow(z, -1, self.p)
        square = inverse * inverse % self.p
        return x * square % self.p, y * square * inverse % self.p
