"""Client libraries of workstations behind one interface, so that all of them run the same tests."""
