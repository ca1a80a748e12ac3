"""Simulated devices that speak the device protocols, written from the protocol sheets only.

`links.serial_line` is a serial device on a pty, `passport` has the readers that use one, `travellers`
supplies people and documents, `faults` defines serial faults, `post` runs a whole post from one file.
"""
