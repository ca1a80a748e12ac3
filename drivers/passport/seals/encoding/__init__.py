"""Encodings of the content of seals: base45, C40, canonical JSON, compression, tags with lengths."""
