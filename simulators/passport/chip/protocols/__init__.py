"""The chip's protocols: access, authentication and secure messaging."""
