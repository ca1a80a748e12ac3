"""Simulated USB devices, and three ways to reach one.

A device is a `UsbDevice`. Tests use it in this process (`host`); any client uses it over TCP, by the kernel's
USB/IP protocol (`usbip_bus`); a program under libumockdev's preload uses it through the real libusb
(`emulated_bus`). Devices belong to the event loop in which they were made.
"""
