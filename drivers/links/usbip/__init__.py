"""USB/IP: import of one remote device, as a backend of pyusb."""
