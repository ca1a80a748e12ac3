"""Who is who at a post: its authority, certificates and keys, and who may read and say what at its broker."""
