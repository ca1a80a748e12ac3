"""The daemon's side of the technician's bench: what it remembers of devices, what it shows, what it obeys."""
