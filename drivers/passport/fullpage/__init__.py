"""Full-page readers: images of a whole page under several lights, from a service over HTTP."""
