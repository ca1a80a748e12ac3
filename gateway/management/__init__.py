"""Management: device registry, admission, audit, retention, and the API of the technicians' console."""
