"""A run without changes over a large table: the server that holds it."""
