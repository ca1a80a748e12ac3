"""Parts of the demo: brokers, programs, officer, screen."""
