"""The Dataverse Web API client: signing in, transport, metadata, reading, writing."""
