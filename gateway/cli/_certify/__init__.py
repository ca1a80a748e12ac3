"""Parts of `borderpost certify`: facts, criteria, the technician, the device, the run, and the report."""
