"""Transport of commands to a chip: APDUs, secure messaging, and reads of files."""
