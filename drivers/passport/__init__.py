"""Passport readers: drivers, machine readable zones, chips, seals and barcodes of documents."""
