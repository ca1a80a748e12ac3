"""Serial document readers: the protocol of a reader with commands, and readers in another format than set."""
