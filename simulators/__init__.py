"""Simulated devices that speak the wire, written from the protocol sheets and from nothing of ours.

`serial_line` is a serial device on a pty, `passport` holds the readers that sit on one, `travellers`
supplies people and documents, `faults` what goes wrong, `post` runs a whole post from one file.
"""
