"""USB devices that do not exist, and three ways to reach one.

A device is a `UsbDevice`. Tests ask it in this process (`host`); anybody asks it over TCP, by the kernel's
USB/IP protocol (`usbip_bus`); a program under libumockdev's preload asks it through the real libusb
(`emulated_bus`). Devices belong to the event loop that they were made in.
"""
