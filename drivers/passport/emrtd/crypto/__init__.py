"""Cryptography of travel documents: ciphers, curves, key agreement, public keys and signatures."""
