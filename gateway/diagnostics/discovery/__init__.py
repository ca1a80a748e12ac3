"""Search for devices that are plugged in or respond, with the tables of a post's file that would use them."""
