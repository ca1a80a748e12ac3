"""Everything that takes bytes from outside, given bytes that nobody expects: `make fuzz`."""
