"""Time of a document with a chip, at the speeds of a contactless field; run beside a pcscd.

Times are from the last byte of the swipe to the observation, with the document on the reader already. The
field is simulated: every command and answer takes its airtime at the given kbit/s.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from support.devices.chip_counter import ChipCounter, counter_in

from drivers.passport.observations import ChipRead, MrzRead
from simulators.mrz import Format
from simulators.passport.chip import Access, ActiveAuthentication, Chip, Cipher, IssuingState, Profile
from simulators.passport.chip.faults import SlowField
from simulators.travellers import TravellerGenerator

SPEEDS_KBIT_S = (106, 424)
FACE_BYTES = 15_000
"""Size of a face as ICAO recommends, in bytes (9303-10, section 4.7.2: 12 to 20 kB)."""
WAYS = {
    "PACE, AES, chip authentication": Profile(
        access=Access.PACE, chip_authentication=(Cipher.AES_128,), image_padding=FACE_BYTES - 7500
    ),
    "BAC, 3DES, active authentication": Profile(
        access=Access.BAC, active_authentication=ActiveAuthentication.ECDSA, image_padding=FACE_BYTES - 7500
    ),
}


async def _times(
    counter: ChipCounter, issuer: IssuingState, profile: Profile, kbit_s: int, travellers: TravellerGenerator
) -> tuple[float, float]:
    """Return the milliseconds until the zone's and until the chip's observation."""
    document = travellers.document(Format.TD3, issuer="UTO")
    arrived_s: dict[type, float] = {}
    counter.heard = lambda observation: arrived_s.setdefault(type(observation), time.monotonic())
    await counter.place_chip(Chip.issue(document, issuer, profile, [SlowField(kbit_s=kbit_s)]))
    await asyncio.sleep(0.7)  # until pcscd has detected it: a person's hand is slower
    began = time.monotonic()
    await counter.present(document, None)
    await counter.remove_chip()
    return 1000 * (arrived_s[MrzRead] - began), 1000 * (arrived_s[ChipRead] - began)


async def main(rounds: int) -> None:
    issuer, travellers = IssuingState.create(), TravellerGenerator(1)
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with counter_in(Path(folder), issuer) as counter:
            for way, profile in WAYS.items():
                for kbit_s in SPEEDS_KBIT_S:
                    times = [
                        await _times(counter, issuer, profile, kbit_s, travellers) for _ in range(rounds)
                    ]
                    zones, chips = zip(*times, strict=True)
                    found.append({"way": way, "kbit_s": kbit_s, "zone_ms": zones, "chip_ms": chips})
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
