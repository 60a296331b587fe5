"""`make serve`: the whole cloud on this machine, with the app in it."""
