"""What takes people out of recordings of document readers, a module a kind of wire."""
