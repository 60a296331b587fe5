"""Change tracking: what became of a table's rows since a token was given."""
