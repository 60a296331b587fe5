"""A sync definition: the models of the YAML, its checks, its variables, and the operator's reach."""
