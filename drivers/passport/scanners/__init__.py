"""Area imagers that read the machine readable zone, one module for each vendor. Pure except for `setup`."""
