"""Encodings of the chip's data: DER and BER-TLV."""
