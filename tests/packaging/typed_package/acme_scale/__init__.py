"""Package of a vendor, for the check of types: a driver, its simulator, and a workstation that uses both."""
