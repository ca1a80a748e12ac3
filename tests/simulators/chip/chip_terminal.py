"""A terminal for the tests alone: as small and as independent of the chip's code as possible.

It shares with the chip only the table of domain parameters; test_chip_curves verifies that with the library.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from asn1crypto import core, keys
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from simulators.passport.chip.crypto.curves import Curve, ModpGroup
from simulators.passport.chip.crypto.domain_parameters import BY_NAME, STANDARDISED

KEY_SIZES = {1: 16, 2: 16, 3: 24, 4: 32}
SHA1_SUITES = (1, 2)


class StatusError(Exception):
    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class MacError(Exception):
    pass


def do(tag: int, value: bytes) -> bytes:
    head = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    n = len(value)
    size = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else b"\x82" + n.to_bytes(2, "big")
    return head + size + value


def undo(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        tag, data = data[0], data[1:]
        if tag & 0x1F == 0x1F:
            tag, data = tag << 8 | data[0], data[1:]
        n, data = data[0], data[1:]
        if n & 0x80:
            n, data = int.from_bytes(data[: n & 0x7F], "big"), data[n & 0x7F :]
        if len(data) < n:
            raise IndexError(f"{tag:X} is truncated")
        found.append((tag, data[:n]))
        data = data[n:]
    return found


def oid(dotted: str) -> bytes:
    return core.ObjectIdentifier(dotted).contents


def odd(key: bytes) -> bytes:
    return bytes(b if bin(b).count("1") % 2 else b ^ 1 for b in key)


def kdf(suite: int, secret: bytes, counter: int) -> bytes:
    digest = "sha1" if suite in SHA1_SUITES else "sha256"
    key = hashlib.new(digest, secret + bytes([0, 0, 0, counter])).digest()[: KEY_SIZES[suite]]
    return odd(key) if suite == 1 else key


def cbc(suite: int, key: bytes, data: bytes, iv: bytes | None = None, *, decrypt: bool = False) -> bytes:
    algorithm = TripleDES(key + key[:8]) if suite == 1 else algorithms.AES(key)
    cipher = Cipher(algorithm, modes.CBC(iv or bytes(algorithm.block_size // 8)))
    way = cipher.decryptor() if decrypt else cipher.encryptor()
    return way.update(data) + way.finalize()


def padded(data: bytes, block: int) -> bytes:
    data += b"\x80"
    while len(data) % block:
        data += b"\x00"
    return data


def token_mac(suite: int, key: bytes, data: bytes) -> bytes:
    if suite != 1:
        mac = CMAC(algorithms.AES(key))
        mac.update(data)
        return mac.finalize()[:8]
    single = Cipher(TripleDES(key[:8] * 3), modes.CBC(bytes(8))).encryptor()
    last = single.update(padded(data, 8))[-8:]
    one = Cipher(TripleDES(key[8:] * 3), modes.CBC(bytes(8))).decryptor().update(last)
    return Cipher(TripleDES(key[:8] * 3), modes.CBC(bytes(8))).encryptor().update(one)


# Affine arithmetic, term by term as in a textbook.
def ec_add(c: Curve, a, b):
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0] and (a[1] + b[1]) % c.p == 0:
        return None
    slope = (
        (3 * a[0] ** 2 + c.a) * pow(2 * a[1], -1, c.p)
        if a == b
        else (b[1] - a[1]) * pow(b[0] - a[0], -1, c.p)
    ) % c.p
    x = (slope**2 - a[0] - b[0]) % c.p
    return x, (slope * (a[0] - x) - a[1]) % c.p


def ec_mul(c: Curve, a, k: int):
    total = None
    while k:
        if k & 1:
            total = ec_add(c, total, a)
        a, k = ec_add(c, a, a), k >> 1
    return total


def power(group, element, k: int):
    return pow(element, k, group.p) if isinstance(group, ModpGroup) else ec_mul(group, element, k)


def product(group, a, b):
    return a * b % group.p if isinstance(group, ModpGroup) else ec_add(group, a, b)


def packed(group, element) -> bytes:
    size = (group.p.bit_length() + 7) // 8
    if isinstance(group, ModpGroup):
        return element.to_bytes(size, "big")
    return b"\x04" + element[0].to_bytes(size, "big") + element[1].to_bytes(size, "big")


def unpacked(group, data: bytes):
    if isinstance(group, ModpGroup):
        return int.from_bytes(data, "big")
    half = (len(data) - 1) // 2
    return int.from_bytes(data[1 : 1 + half], "big"), int.from_bytes(data[1 + half :], "big")


def secret_of(group, element) -> bytes:
    return (
        packed(group, element)
        if isinstance(group, ModpGroup)
        else packed(group, element)[1:][: len(packed(group, element)) // 2]
    )


@dataclass
class Channel:
    suite: int
    kenc: bytes
    kmac: bytes
    ssc: int = 0
    short_header: bool = False

    @property
    def block(self) -> int:
        return 8 if self.suite == 1 else 16

    def counter(self) -> bytes:
        return self.ssc.to_bytes(self.block, "big")

    def mac(self, data: bytes) -> bytes:
        data = self.counter() + data
        return token_mac(self.suite, self.kmac, data if self.suite == 1 else padded(data, 16))

    def iv(self) -> bytes | None:
        return None if self.suite == 1 else cbc(self.suite, self.kenc, self.counter())

    def wrap(self, cla: int, ins: int, p1: int, p2: int, data: bytes, le: bytes) -> bytes:
        self.ssc += 1
        header = bytes([cla | 0x0C, ins, p1, p2])
        body = b""
        if data:
            sealed = cbc(self.suite, self.kenc, padded(data, self.block), self.iv())
            body += do(0x85, sealed) if ins & 1 else do(0x87, b"\x01" + sealed)
        if le:
            body += do(0x97, le)
        if not body and self.short_header:
            whole = self.counter() + padded(header, self.block)
            mac = self.mac_blocks(whole)
        else:
            mac = self.mac(padded(header, self.block) + body)
        body += do(0x8E, mac)
        if len(le) == 2 or len(body) > 255:
            return header + b"\x00" + len(body).to_bytes(2, "big") + body + b"\x00\x00"
        return header + bytes([len(body)]) + body + b"\x00"

    def mac_blocks(self, whole: bytes) -> bytes:
        stripped = whole.rstrip(b"\x00")[:-1]
        return token_mac(self.suite, self.kmac, stripped if self.suite == 1 else whole)

    def unwrap(self, reply: bytes) -> tuple[bytes, int]:
        self.ssc += 1
        parts = dict(undo(reply[:-2]))
        if 0x8E not in parts:
            raise StatusError(int.from_bytes(reply[-2:], "big"))
        signed = reply[:-2][: -len(do(0x8E, parts[0x8E]))]
        if self.mac(signed) != parts[0x8E] or parts[0x99] != reply[-2:]:
            raise MacError
        data = b""
        sealed = parts.get(0x85, parts.get(0x87, b"\x01")[1:])
        if sealed:
            data = cbc(self.suite, self.kenc, sealed, self.iv(), decrypt=True).rstrip(b"\x00")[:-1]
        return data, int.from_bytes(parts[0x99], "big")


class Terminal:
    def __init__(self, transmit: Callable[[bytes], bytes], *, extended: bool = False) -> None:
        self.transmit = transmit
        self.channel: Channel | None = None
        self.extended = extended
        self.mapping: bytes = b""
        self.cam: bytes | None = None

    def send(
        self,
        cla: int,
        ins: int,
        p1: int,
        p2: int,
        data: bytes = b"",
        le: int | None = None,
        ok: tuple[int, ...] = (0x9000, 0x6282),
    ) -> bytes:
        wide = self.extended and (len(data) > 255 or (le or 0) > 256)
        size = 2 if wide else 1
        le_field = b"" if le is None else (le % (1 << 8 * size)).to_bytes(size, "big")
        if self.channel is None:
            lc = len(data).to_bytes(size, "big") if data else b""
            lead = b"\x00" if wide else b""
            reply = self.transmit(bytes([cla, ins, p1, p2]) + lead + lc + data + le_field)
            body, sw = reply[:-2], int.from_bytes(reply[-2:], "big")
        else:
            body, sw = self.channel.unwrap(self.transmit(self.channel.wrap(cla, ins, p1, p2, data, le_field)))
        if sw not in ok:
            raise StatusError(sw)
        return body

    def select_application(self) -> None:
        self.send(0, 0xA4, 4, 0x0C, bytes.fromhex("A0000002471001"))

    def select_master_file(self) -> None:
        self.send(0, 0xA4, 0, 0x0C)

    def read(self, fid: int, chunk: int = 0xDF) -> bytes:
        self.send(0, 0xA4, 2, 0x0C, fid.to_bytes(2, "big"))
        head = self.send(0, 0xB0, 0, 0, le=4)
        size = header_size(head)
        data = head
        while len(data) < size:
            want = min(chunk, size - len(data))
            at = len(data)
            if at < 0x8000:
                got = self.send(0, 0xB0, at >> 8, at & 0xFF, le=want)
            else:
                reply = self.send(
                    0, 0xB1, 0, 0, do(0x54, at.to_bytes(3, "big")), le=chunk if self.extended else 256
                )
                [(tag, got)] = undo(reply)
                assert tag == 0x53
            assert got
            data += got
        return data[:size]

    def bac(self, information: str) -> None:
        self.select_application()
        seed = hashlib.sha1(information.encode()).digest()[:16]
        kenc, kmac = kdf(1, seed, 1), kdf(1, seed, 2)
        rnd_ic = self.send(0, 0x84, 0, 0, le=8)
        rnd_ifd, k_ifd = os.urandom(8), os.urandom(16)
        e = cbc(1, kenc, rnd_ifd + rnd_ic + k_ifd)
        answer = self.send(0, 0x82, 0, 0, e + token_mac(1, kmac, e), le=40)
        assert token_mac(1, kmac, answer[:32]) == answer[32:]
        plain = cbc(1, kenc, answer[:32], decrypt=True)
        assert plain[:16] == rnd_ic + rnd_ifd
        seed = bytes(a ^ b for a, b in zip(k_ifd, plain[16:], strict=True))
        self.channel = Channel(
            1, kdf(1, seed, 1), kdf(1, seed, 2), int.from_bytes(rnd_ic[4:] + rnd_ifd[4:], "big")
        )

    def pace(
        self, protocol: str, parameter_id: int, password: bytes, reference: int = 1, *, name_it: bool = True
    ) -> None:
        group, suite, mapping = STANDARDISED[parameter_id], int(protocol[-1]), int(protocol.split(".")[-2])
        domain = do(0x84, bytes([parameter_id])) if name_it else b""
        self.send(0, 0x22, 0xC1, 0xA4, do(0x80, oid(protocol)) + do(0x83, bytes([reference])) + domain)
        wide = 65536 if self.extended else 256

        def step(cla: int, content: bytes) -> dict[int, bytes]:
            [(tag, value)] = undo(self.send(cla, 0x86, 0, 0, do(0x7C, content), le=wide))
            assert tag == 0x7C
            return dict(undo(value))

        nonce = cbc(suite, kdf(suite, password, 3), step(0x10, b"")[0x80], decrypt=True)
        g = group.generator
        if mapping in (3, 4):
            t = os.urandom(KEY_SIZES[suite])
            assert step(0x10, do(0x81, t)) == {0x82: b""}
            mapped = integrated(group, suite, nonce, t)
        else:
            k = 1 + int.from_bytes(os.urandom(16), "big")
            self.mapping = step(0x10, do(0x81, packed(group, power(group, g, k))))[0x82]
            mapped = product(
                group,
                power(group, g, int.from_bytes(nonce, "big")),
                power(group, unpacked(group, self.mapping), k),
            )
        k = 1 + int.from_bytes(os.urandom(16), "big")
        mine = packed(group, power(group, mapped, k))
        theirs = step(0x10, do(0x83, mine))[0x84]
        secret = secret_of(group, power(group, unpacked(group, theirs), k))
        kmac = kdf(suite, secret, 2)
        tag = 0x84 if isinstance(group, ModpGroup) else 0x86

        def token(key: bytes) -> bytes:
            return token_mac(suite, kmac, do(0x7F49, do(0x06, oid(protocol)) + do(tag, key)))

        last = step(0x00, do(0x85, token(theirs)))
        assert last[0x86] == token(mine)
        kenc = kdf(suite, secret, 1)
        self.channel = Channel(suite, kenc, kmac)
        if mapping == 6:
            self.cam = cbc(suite, kenc, last[0x8A], cbc(suite, kenc, b"\xff" * 16), decrypt=True).rstrip(
                b"\x00"
            )[:-1]

    def chip_authentication(self, dg14: bytes, suite: int, *, by_kat: bool = False) -> None:
        """Select the key of that cipher from DG14, and continue with the agreed keys."""
        infos = security_infos(undo(dg14)[0][1])
        protocols = {oid_: rest for oid_, rest in infos if oid_.startswith("0.4.0.127.0.7.2.2.3.")}
        protocol = next(name for name in protocols if name.endswith(f".{suite}"))
        key_id = protocols[protocol][1].native if len(protocols[protocol]) > 1 else None
        public = next(
            rest[0] for name, rest in infos
            if name.startswith("0.4.0.127.0.7.2.2.1.") and (key_id is None or rest[1].native == key_id)
        )  # fmt: skip
        group, theirs = public_key(public.dump())
        k = 1 + int.from_bytes(os.urandom(16), "big")
        mine = packed(group, power(group, group.generator, k))
        reference = b"" if key_id is None else do(0x84, bytes([key_id]))
        if by_kat:
            self.send(0, 0x22, 0x41, 0xA6, do(0x91, mine) + reference)
        else:
            self.send(0, 0x22, 0x41, 0xA4, do(0x80, oid(protocol)) + reference)
            assert self.send(0, 0x86, 0, 0, do(0x7C, do(0x80, mine)), le=256) == b"\x7c\x00"
        secret = secret_of(group, power(group, theirs, k))
        self.channel = Channel(suite, kdf(suite, secret, 1), kdf(suite, secret, 2))

    def active_authentication(self, nonce: bytes) -> bytes:
        return self.send(0, 0x88, 0, 0, nonce, le=65536 if self.extended else 256)


def header_size(head: bytes) -> int:
    at = 2 if head[0] & 0x1F == 0x1F else 1
    n = head[at]
    if n < 0x80:
        return at + 1 + n
    return at + 1 + (n & 0x7F) + int.from_bytes(head[at + 1 : at + 1 + (n & 0x7F)], "big")


def security_infos(encoded: bytes) -> list[tuple[str, list[core.Any]]]:
    class Fields(core.SequenceOf):
        _child_spec = core.Any

    class Infos(core.SetOf):
        _child_spec = Fields

    infos = []
    for info in Infos.load(encoded, strict=True):
        first, *rest = info
        infos.append(
            (first.parse(core.ObjectIdentifier).dotted, [r.parse() if r.contents else r for r in rest])
        )
    return infos


def public_key(spki: bytes):
    """Return group and key of a SubjectPublicKeyInfo, parsed by asn1crypto."""

    class DhKey(core.Sequence):
        _fields: ClassVar = [("p", core.Integer), ("g", core.Integer), ("q", core.Integer)]

    class Algorithm(core.Sequence):
        _fields: ClassVar = [("algorithm", core.ObjectIdentifier), ("parameters", core.Any)]

    class Info(core.Sequence):
        _fields: ClassVar = [("algorithm", Algorithm), ("key", core.OctetBitString)]

    info = Info.load(spki, strict=True)
    parameters = info["algorithm"]["parameters"]
    key = bytes(info["key"])
    if info["algorithm"]["algorithm"].dotted == "1.2.840.10046.2.1":
        dh = parameters.parse(DhKey)
        group = ModpGroup("read", dh["p"].native, dh["g"].native, dh["q"].native)
        return group, core.Integer.load(key).native
    if info["algorithm"]["algorithm"].dotted == "0.4.0.127.0.7.1.2":
        group = STANDARDISED[parameters.parse(core.Integer).native]
        return group, unpacked(group, key)
    domain = parameters.parse(keys.ECDomainParameters)
    if domain.name == "named":
        group = STANDARDISED[
            BY_NAME[domain.native if domain.native in BY_NAME else NAMES[domain.chosen.dotted]]
        ]
    else:
        d = domain.chosen
        size = len(d["base"].contents) // 2
        base = d["base"].contents
        group = Curve(
            "read",
            d["field_id"]["parameters"].native,
            int.from_bytes(d["curve"]["a"].contents, "big"),
            int.from_bytes(d["curve"]["b"].contents, "big"),
            (int.from_bytes(base[1 : 1 + size], "big"), int.from_bytes(base[1 + size :], "big")),
            d["order"].native,
        )
    return group, unpacked(group, key)


NAMES = {
    "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
    "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
    "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
    "1.2.840.10045.3.1.7": "secp256r1",
}


def integrated(group, suite: int, s: bytes, t: bytes):
    """Compute Integrated Mapping by the text of 4.4.3.3.2 and appendix B."""
    size = 32 if suite in (3, 4) else 16
    c = {
        16: ("a668892a7c41e3ca739f40b057d85904", "a4e136ac725f738b01c1f60217c188ad"),
        32: (
            "d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676",
            "54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517",
        ),
    }[size]
    c0, c1 = bytes.fromhex(c[0]), bytes.fromhex(c[1])
    k, x, n = cbc(suite, t, s), b"", 0
    while n * size * 8 < group.p.bit_length() + 64:
        key = k[: KEY_SIZES[suite]]
        x, k, n = x + cbc(suite, key, c1), cbc(suite, key, c0), n + 1
    u = int.from_bytes(x, "big") % group.p
    p = group.p
    if isinstance(group, ModpGroup):
        return pow(u, (p - 1) // group.order, p)
    a, b = group.a, group.b
    v = -u * u % p
    x2 = -b * pow(a, -1, p) * (1 + pow(v + v * v, -1, p)) % p
    h2 = (x2**3 + a * x2 + b) % p
    root = pow(h2, (p + 1) // 4, p)
    if root * root % p == h2:
        # Both roots are valid; the standard determines which one counts.
        return x2, pow(h2, p - 1 - (p + 1) // 4 + 1, p)
    x3 = v * x2 % p
    return x3, pow(h2, p - 1 - (p + 1) // 4, p) * u**3 * h2 % p
