"""Begin of a driver's package: names, and the files of its template."""
