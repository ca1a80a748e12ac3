"""Files of the chip in Anna Maria Eriksson's passport, without a security object."""

from datetime import date

from drivers.passport.emrtd.encoding.tlv import encode

TODAY = date(2027, 3, 1)
LINES = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
ZONE = "".join(LINES)
DG1 = encode(0x61, encode(0x5F1F, ZONE.encode()))
DG2 = encode(0x75, b"a face")
GROUPS = {1: DG1, 2: DG2}
COM = encode(0x60, encode(0x5F01, b"0107") + encode(0x5C, b"\x61\x75"))
