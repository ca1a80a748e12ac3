"""Area imagers that read the machine readable zone, a module a maker; pure but for the dialogue at open."""
