"""Rows created, updated and deleted: planned per set of members, checked per column, written many at a time."""
