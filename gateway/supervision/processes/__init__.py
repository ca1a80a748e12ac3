"""Processes of workers: their fork server, connections to hosts, printed text, CPU time and silence."""
