"""Encodings of travel documents: BER-TLV data objects and DER values."""
