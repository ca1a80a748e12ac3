"""HTTP services with faults on request, and the authentication of their clients."""
