"""Public key infrastructure of an issuing state: keys, certificates, signed data, lists."""
