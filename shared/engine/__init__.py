"""The life of a job: read, map, reconcile, plan, apply. Owns DuckDB; knows ports, not adapters."""
