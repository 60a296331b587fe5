"""A Functions host on this machine: runs a function app through Microsoft's own engine, by the real triggers' rules."""
