"""The app's HTTP API, measured as the Functions host calls it."""
