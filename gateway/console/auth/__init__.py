"""Authentication and sessions of the console, and trace tickets."""
