"""What the environment says about its tables: the service document, CSDL, and the metadata rows."""
