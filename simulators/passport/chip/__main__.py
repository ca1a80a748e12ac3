"""`python -m simulators.passport.chip`: travellers put documents on a virtual reader of a real pcscd."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from simulators.errors import SimulatorError
from simulators.mrz import Format
from simulators.passport.chip.chip import Chip
from simulators.passport.chip.crypto.ciphers import Cipher
from simulators.passport.chip.crypto.domain_parameters import BY_NAME
from simulators.passport.chip.faults import ChipFault, SlowField, chip_fault_of
from simulators.passport.chip.pki.issuing_state import IssuingState
from simulators.passport.chip.post_chips import write_trust
from simulators.passport.chip.profile import Access, ActiveAuthentication, Profile
from simulators.passport.chip.protocols.security_infos import Mapping, PaceInfo
from simulators.passport.chip.vpcd import DEFAULT_PORT, VpcdSlot
from simulators.travellers import TravellerGenerator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped, or for `--cycles` documents; return 1 and print an error if that fails."""
    options = _parser().parse_args(arguments)
    try:
        faults = [_fault(text) for text in options.fault]
        profile = _profile(options)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_present(options, profile, faults))
    except (SimulatorError, ValidationError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _present(options: argparse.Namespace, profile: Profile, faults: list[ChipFault]) -> None:
    issuer = IssuingState.create()
    travellers = TravellerGenerator(options.seed)
    if options.kbit_s:
        faults = [*faults, SlowField(kbit_s=options.kbit_s)]
    done = 0
    async with VpcdSlot(options.host, options.port) as slot:
        while not options.cycles or done < options.cycles:
            document = travellers.document(Format(options.format))
            chip = Chip.issue(document, issuer, profile, faults)
            if options.trust is not None:
                write_trust(options.trust, issuer)
            sys.stdout.write("\n".join(document.lines) + "\n\n")
            sys.stdout.flush()
            await slot.insert(chip)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(slot.wait_removed(), options.dwell_s)
            await slot.remove()
            done += 1
            await asyncio.sleep(options.away_s)


def _profile(options: argparse.Namespace) -> Profile:
    info = PaceInfo(
        Mapping[options.mapping.upper().replace("-", "_")], Cipher(options.cipher), BY_NAME[options.group]
    )
    return Profile(
        access=Access(options.access),
        pace=(info,),
        can=options.can,
        chip_authentication=tuple(Cipher(name) for name in options.chip_authentication),
        active_authentication=options.active_authentication
        and ActiveAuthentication(options.active_authentication),
        extended_length=options.extended_length,
        image_padding=options.image_padding,
    )


def _fault(text: str) -> ChipFault:
    """Parse `name` or `name:field=value,field=value`; whole numbers may be hexadecimal (0x6988)."""
    name, _, rest = text.partition(":")
    values: dict[str, object] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        values[key] = _number(value) if value[:1].isdigit() else value
    return chip_fault_of(name, values)


def _number(text: str) -> float:
    return float(text) if "." in text else int(text, 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.passport.chip", description=main.__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address of vpcd")
    add("--port", type=int, default=DEFAULT_PORT, help="the port of its slot (default %(default)s)")
    add("--format", default="TD3", choices=["TD1", "TD2", "TD3"])
    add("--seed", type=int, default=0, help="the same seed gives the same travellers")
    add("--access", default="both", choices=list(Access))
    add("--can", help="the card access number, six digits")
    add("--mapping", default="generic", choices=["generic", "integrated", "chip-authentication"])
    add("--cipher", default=Cipher.AES_128, choices=list(Cipher), help="of PACE")
    add("--group", default="brainpoolP256r1", choices=list(BY_NAME), help="of PACE")
    add("--chip-authentication", action="append", default=[], choices=list(Cipher), metavar="CIPHER")
    add("--active-authentication", choices=list(ActiveAuthentication))
    add("--extended-length", action="store_true")
    add("--image-padding", type=int, default=0, metavar="BYTES", help="additional size of DG2, in bytes")
    add("--kbit-s", type=float, help="bit rate of a slow field: 106, 212, 424 or 848")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:FIELD=VALUE,...]",
        help="removed:at=12, revoked-signer",
    )
    add("--trust", type=Path, metavar="DIR", help="folder for csca.cer, csca.crl and master-list.ml")
    add("--dwell-s", type=float, default=10.0, help="how long a document stays on the reader, in seconds")
    add("--away-s", type=float, default=2.0, help="pause before the next, in seconds")
    add("--cycles", type=int, default=0, help="number of documents; 0 is unlimited")
    return parser


if __name__ == "__main__":
    sys.exit(main())
