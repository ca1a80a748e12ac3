"""Devices of USB's class HID through Linux hidraw: report descriptors, search, link, simulated wire."""
