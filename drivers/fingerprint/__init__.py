"""Fingerprint scanners: what they can say, how a capture goes, and a module or package a protocol."""
