"""Ways into SQL databases, for sources that read and steps that write."""
