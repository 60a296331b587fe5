"""The `sql` query: one SELECT in the subset of T-SQL that the service takes, read as the values of a FetchXML query."""
