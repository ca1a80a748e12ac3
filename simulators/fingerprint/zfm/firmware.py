"""Firmware of a module: instructions on its buffers, its library, its parameters.

No bytes of packets here: an instruction with its parameters comes in, an answer goes out. Source: protocol
sheet, section 3; refusals have the full length of their answers too, as hosts expect.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

import numpy as np
from numpy.typing import NDArray

from simulators.fingerprint.platen import Platen
from simulators.fingerprint.zfm.profiles import Answer, Instruction, Profile
from simulators.fingerprint.zfm.templates import FILE_BYTES, characters, files_in, similarity

NOTEPAD_PAGES, NOTEPAD_BYTES = 16, 32
INFORMATION_BYTES = 512
PACKET_SIZES = (32, 64, 128, 256)
LIKE_ENOUGH = {1: 0.36, 2: 0.39, 3: 0.42, 4: 0.46, 5: 0.50}
"""Minimum similarity of a match by security level."""
SCORE = 200
"""Score of full similarity."""
BAUD_STEP = 9600


@dataclass
class Memory:
    """Data that survive a loss of power."""

    address: int = 0xFFFFFFFF
    password: int = 0
    baud_factor: int = 6
    packet_code: int = 2
    security: int = 3
    library: dict[int, bytes] = field(default_factory=dict)
    notepad: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to an instruction: a code, its data, and its consequences."""

    code: int
    content: bytes = b""
    data: bytes | None = None
    """Data packets sent after it."""
    receive: Callable[[bytes], None] | None = None
    """Receiver of the data that the host sends after it."""
    looks: bool = False
    """True if it takes as long as a look at the finger."""
    resets: bool = False


Handler = Callable[..., Reply]
_HANDLERS: dict[Instruction, tuple[struct.Struct, Handler]] = {}


def _on(*instructions: Instruction, fields: str = "") -> Callable[[Handler], Handler]:
    """Register the method for these instructions; `fields` is the `struct` format of its parameters."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(instructions, (struct.Struct(f">{fields}"), handler)))
        return handler

    return register


class Firmware:
    """State and instructions of one module."""

    def __init__(self, profile: Profile, platen: Platen, memory: Memory, chance: Random) -> None:
        self.profile = profile
        self.platen = platen
        self.memory = memory
        self._chance = chance
        self.aura: tuple[int, int, int, int] | None = None
        """State of the light ring: control, speed, colour, count."""
        self.light = True
        self.images = 0
        """Number of images taken."""
        self.power_up()

    def power_up(self) -> None:
        """Reset the volatile data."""
        self.image: NDArray[np.uint8] | None = None
        self.buffers: dict[int, bytes] = {}
        self.verified = self.memory.password == 0
        self.matched = False
        self.aura = None
        self.light = True

    def handle_command(self, content: bytes) -> Reply:
        """Execute an instruction."""
        code, parameters = content[:1], content[1:]
        if not code or code[0] not in self.profile.supports:
            return Reply(Answer.UNSUPPORTED)
        instruction = Instruction(code[0])
        if not self.verified and instruction is not Instruction.VERIFY_PASSWORD:
            return Reply(Answer.PASSWORD_NEEDED)
        fields, handler = _HANDLERS[instruction]
        if len(parameters) != fields.size:
            return Reply(Answer.PACKET_ERROR)
        return handler(self, *fields.unpack(parameters))

    # The finger.

    @_on(Instruction.GET_IMAGE, Instruction.GET_IMAGE_DARK)
    def _get_image(self) -> Reply:
        if not self.platen.is_touched:
            return Reply(Answer.NO_FINGER, looks=True)
        self.image = (self.platen.sense() >> 4).astype(np.uint8)
        self.images += 1
        return Reply(Answer.OK, looks=True)

    @_on(Instruction.GET_IMAGE_CHECKED)
    def _get_image_checked(self) -> Reply:
        reply = self._get_image()
        if reply.code == Answer.OK and self.image is not None:
            made = characters(self.image, self.profile.sensor.ppi)
            return reply if made.file else Reply(Answer.FEW_FEATURES, looks=True)
        return reply

    @_on(Instruction.IMAGE_TO_CHARACTERS, fields="B")
    def _to_characters(self, buffer: int) -> Reply:
        if self.image is None:
            return Reply(Answer.NO_IMAGE)
        made = characters(self.image, self.profile.sensor.ppi)
        if not made.file:
            return Reply(Answer.MESSY if made.cause == "messy" else Answer.FEW_FEATURES)
        self.buffers[self._buffer(buffer)] = made.file
        return Reply(Answer.OK)

    @_on(Instruction.UPLOAD_IMAGE)
    def _upload_image(self) -> Reply:
        if self.image is None:
            return Reply(Answer.IMAGE_NOT_UPLOADED)
        pixels = self.image.ravel()
        return Reply(Answer.OK, data=(pixels[0::2] << 4 | pixels[1::2]).astype(np.uint8).tobytes())

    @_on(Instruction.DOWNLOAD_IMAGE)
    def _download_image(self) -> Reply:
        sensor = self.profile.sensor

        def receive(data: bytes) -> None:
            pairs = np.frombuffer(data[: sensor.width * sensor.height // 2], np.uint8)
            pixels = np.zeros(sensor.width * sensor.height, np.uint8)
            pixels[0 : pairs.size * 2 : 2], pixels[1 : pairs.size * 2 : 2] = pairs >> 4, pairs & 0x0F
            self.image = pixels.reshape(sensor.height, sensor.width)

        return Reply(Answer.OK, receive=receive)

    # Templates.

    def _buffer(self, number: int) -> int:
        """Return the buffer's number; an invalid one means the second buffer."""
        return number if 1 <= number <= self.profile.placements else 2

    @property
    def _template_bytes(self) -> int:
        return FILE_BYTES * self.profile.placements

    @_on(Instruction.REGISTER_MODEL)
    def _register_model(self) -> Reply:
        files = [file for template in self.buffers.values() for file in files_in(template)]
        files = list(dict.fromkeys(files))[: self.profile.placements]
        alike = (similarity(*pair) for pair in combinations(files, 2))
        if len(files) < 2 or any(value < LIKE_ENOUGH[1] for value in alike):
            return Reply(Answer.NOT_MERGED)
        model = b"".join(files).ljust(self._template_bytes, b"\0")
        self.buffers = dict.fromkeys(self.buffers, model)
        return Reply(Answer.OK)

    @_on(Instruction.MATCH)
    def _match(self) -> Reply:
        value = similarity(self.buffers.get(1, b""), self.buffers.get(2, b""))
        self.matched = value >= LIKE_ENOUGH[self.memory.security]
        score = struct.pack(">H", round(value * SCORE) if self.matched else 0)
        return Reply(Answer.OK if self.matched else Answer.NO_MATCH, score)

    @_on(Instruction.SEARCH, Instruction.FAST_SEARCH, fields="BHH")
    def _search(self, buffer: int, first: int, count: int) -> Reply:
        probe = self.buffers.get(self._buffer(buffer), b"")
        found = {
            page: similarity(probe, template)
            for page, template in self.memory.library.items()
            if first <= page < first + count
        }
        page = max(found, key=lambda one: found[one], default=0)
        self.matched = found.get(page, 0.0) >= LIKE_ENOUGH[self.memory.security]
        if not self.matched:
            return Reply(Answer.NOT_FOUND, bytes(4))
        return Reply(Answer.OK, struct.pack(">HH", page, round(found[page] * SCORE)))

    @_on(Instruction.STORE, fields="BH")
    def _store(self, buffer: int, page: int) -> Reply:
        template = self.buffers.get(self._buffer(buffer))
        if page >= self.profile.capacity:
            return Reply(Answer.BAD_PAGE)
        if not template:
            return Reply(Answer.FLASH)
        self.memory.library[page] = template.ljust(self._template_bytes, b"\0")
        return Reply(Answer.OK)

    @_on(Instruction.LOAD, fields="BH")
    def _load(self, buffer: int, page: int) -> Reply:
        if page >= self.profile.capacity:
            return Reply(Answer.BAD_PAGE)
        if page not in self.memory.library:
            return Reply(Answer.NOT_LOADED)
        self.buffers[self._buffer(buffer)] = self.memory.library[page]
        return Reply(Answer.OK)

    @_on(Instruction.UPLOAD_CHARACTERS, fields="B")
    def _upload_characters(self, buffer: int) -> Reply:
        template = self.buffers.get(self._buffer(buffer))
        if not template:
            return Reply(Answer.NOT_UPLOADED)
        return Reply(Answer.OK, data=template.ljust(self._template_bytes, b"\0"))

    @_on(Instruction.DOWNLOAD_CHARACTERS, fields="B")
    def _download_characters(self, buffer: int) -> Reply:
        def receive(data: bytes) -> None:
            self.buffers[self._buffer(buffer)] = data[: self._template_bytes]

        return Reply(Answer.OK, receive=receive)

    @_on(Instruction.DELETE, fields="HH")
    def _delete(self, first: int, count: int) -> Reply:
        if count == 0 or first + count > self.profile.capacity:
            return Reply(Answer.NOT_DELETED)
        for page in range(first, first + count):
            self.memory.library.pop(page, None)
        return Reply(Answer.OK)

    @_on(Instruction.EMPTY)
    def _empty(self) -> Reply:
        self.memory.library.clear()
        return Reply(Answer.OK)

    @_on(Instruction.COUNT)
    def _count(self) -> Reply:
        return Reply(Answer.OK, struct.pack(">H", len(self.memory.library)))

    @_on(Instruction.INDEX, fields="B")
    def _index(self, page: int) -> Reply:
        taken = np.zeros(256, np.uint8)
        for number in self.memory.library:
            if number // 256 == page:
                taken[number % 256] = 1
        return Reply(Answer.OK, np.packbits(taken, bitorder="little").tobytes())

    # Parameters.

    @property
    def _parameters(self) -> bytes:
        memory = self.memory
        status = (self.matched << 1) | ((memory.password != 0 and self.verified) << 2)
        status |= (self.image is not None) << 3
        return struct.pack(
            ">HHHHIHH",
            status,
            self.profile.system,
            self.profile.capacity,
            memory.security,
            memory.address,
            memory.packet_code,
            memory.baud_factor,
        )

    @_on(Instruction.READ_PARAMETERS)
    def _read_parameters(self) -> Reply:
        return Reply(Answer.OK, self._parameters)

    @_on(Instruction.SET_PARAMETER, fields="BB")
    def _set_parameter(self, number: int, value: int) -> Reply:
        match number:
            case 4 if value in self.profile.bauds:
                self.memory.baud_factor = value
            case 5 if value in LIKE_ENOUGH:
                self.memory.security = value
            case 6 if value < len(PACKET_SIZES):
                self.memory.packet_code = value
            case 4 | 5 | 6:
                return Reply(Answer.BAD_CONFIGURATION)
            case _:
                return Reply(Answer.BAD_REGISTER)
        return Reply(Answer.OK)

    @_on(Instruction.SET_PASSWORD, fields="I")
    def _set_password(self, password: int) -> Reply:
        self.memory.password = password
        return Reply(Answer.OK)

    @_on(Instruction.VERIFY_PASSWORD, fields="I")
    def _verify_password(self, password: int) -> Reply:
        right = password == self.memory.password
        self.verified = self.verified or right
        return Reply(Answer.OK if right else Answer.WRONG_PASSWORD)

    @_on(Instruction.SET_ADDRESS, fields="I")
    def _set_address(self, address: int) -> Reply:
        self.memory.address = address
        return Reply(Answer.OK)

    @_on(Instruction.RANDOM)
    def _random(self) -> Reply:
        return Reply(Answer.OK, self._chance.randbytes(4))

    @_on(Instruction.WRITE_NOTEPAD, fields="B32s")
    def _write_notepad(self, page: int, content: bytes) -> Reply:
        if page >= NOTEPAD_PAGES:
            return Reply(Answer.BAD_NOTEPAD_PAGE)
        self.memory.notepad[page] = content
        return Reply(Answer.OK)

    @_on(Instruction.READ_NOTEPAD, fields="B")
    def _read_notepad(self, page: int) -> Reply:
        if page >= NOTEPAD_PAGES:
            return Reply(Answer.BAD_NOTEPAD_PAGE, bytes(NOTEPAD_BYTES))
        return Reply(Answer.OK, self.memory.notepad.get(page, bytes(NOTEPAD_BYTES)))

    @_on(Instruction.READ_INFORMATION)
    def _read_information(self) -> Reply:
        page = self._parameters + self.profile.model.encode("ascii").ljust(16, b"\0")
        return Reply(Answer.OK, data=page.ljust(INFORMATION_BYTES, b"\xff"))

    # Lights and the rest.

    @_on(Instruction.PORT, fields="B")
    def _port(self, _on: int) -> Reply:
        return Reply(Answer.OK)

    @_on(Instruction.AURA, fields="BBBB")
    def _set_aura(self, control: int, speed: int, colour: int, count: int) -> Reply:
        self.aura = (control, speed, colour, count)
        return Reply(Answer.OK)

    @_on(Instruction.LIGHT_ON)
    def _light_on(self) -> Reply:
        self.light = True
        return Reply(Answer.OK)

    @_on(Instruction.LIGHT_OFF)
    def _light_off(self) -> Reply:
        self.light = False
        return Reply(Answer.OK)

    @_on(Instruction.CANCEL, Instruction.CHECK_SENSOR, Instruction.HANDSHAKE, Instruction.STANDBY)
    def _fine(self) -> Reply:
        return Reply(Answer.OK)

    @_on(Instruction.ECHO)
    def _echo(self) -> Reply:
        return Reply(Answer.ECHO)

    @_on(Instruction.ALGORITHM_VERSION, Instruction.FIRMWARE_VERSION)
    def _version(self) -> Reply:
        return Reply(Answer.OK, f"{self.profile.model} simulated".encode("ascii").ljust(32, b"\0"))

    @_on(Instruction.PRODUCT)
    def _product(self) -> Reply:
        sensor = self.profile.sensor
        names = (self.profile.model, 16), ("SIM", 4), ("00000001", 8)
        head = b"".join(text.encode("ascii").ljust(size, b"\0") for text, size in names)
        sizes = (sensor.width, sensor.height, self._template_bytes, self.profile.capacity)
        return Reply(Answer.OK, head + b"\x01\x00" + b"SIM\0\0\0\0\0" + struct.pack(">HHHH", *sizes))

    @_on(Instruction.SOFT_RESET)
    def _soft_reset(self) -> Reply:
        return Reply(Answer.OK, resets=True)
