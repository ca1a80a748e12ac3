"""Scale of an invented vendor: lines of text over TCP."""
