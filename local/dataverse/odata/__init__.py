"""Query options of OData: parsed into a tree, then compiled to SQL or asked of metadata."""
