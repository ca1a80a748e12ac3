"""Keys and certificates of a post: authority, signing keys, and the broker's access list."""
