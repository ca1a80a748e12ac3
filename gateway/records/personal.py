"""Which devices take data about persons, and what the audit tells of that."""

CLASSES = {
    "passport_reader": "what a travel document says: names, number, dates, nationality, images, chip",
    "fingerprint_scanner": "fingerprints (biometric)",
    "camera": "images of faces (biometric), number plates",
    "card_reader": "numbers of access cards",
}
"""By the family of a device: the kind of data about persons that it takes."""
HANDLED = "traveller.handled"
"""How often a device has read since the last such line; written every hour and at the end of a run."""
