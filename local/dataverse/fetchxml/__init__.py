"""FetchXML: read into frozen values, compiled to SQL, answered as rows. The `sql` query becomes the same values."""
