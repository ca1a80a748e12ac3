"""Links to a host: pseudo-terminals, TCP services and umockdev's ioctl socket."""
