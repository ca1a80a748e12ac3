"""USB devices: lookup in sysfs, opening, transfers and detection of an unplugged device."""
