"""The vocabulary of the local API: what technicians see and may ask for. No I/O."""
