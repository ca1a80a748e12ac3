"""What technicians see: the HTTP API and the pages, in a process that exists only while somebody looks."""
