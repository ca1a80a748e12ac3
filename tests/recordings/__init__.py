"""Wire logs with the events they must give. `make recordings` writes those events anew."""
