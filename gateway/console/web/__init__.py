"""Web framework of the console: application, request context, templates, translation, errors, streams."""
