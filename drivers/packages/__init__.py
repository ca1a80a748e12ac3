"""Installed packages that bring drivers, vocabularies and simulators, and checks of them."""
