"""Public key infrastructure of travel documents: certificates, trust store, security objects."""
