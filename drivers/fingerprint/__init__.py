"""Fingerprint scanners: observations, captures, and one module or package for each protocol."""
