"""The console: HTTP API and web pages for technicians, in a process that runs only while clients connect."""
