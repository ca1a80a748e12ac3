"""The daemon of a border post: runs drivers, makes what they say durable, publishes it, obeys commands."""
