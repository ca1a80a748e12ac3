"""DigitalPersona's U.are.U 4000, 4000B and 4500, and Microsoft's fingerprint readers: the same hardware.

Source: libfprint 1.94.9 (`uru4000.c`), checked against recordings of a 4500 and of a Microsoft reader v2,
whose images are decoded pixel for pixel. The vendor documents none of it.
"""
