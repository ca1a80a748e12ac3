"""Scale of an invented vendor: lines of text."""
