"""Conditions on one column: one table of operators that `$filter`, FetchXML and SQL share, compiled to SQLite.

Values are always bound. A condition is two-valued: what a null makes unknown is false, and an operator that says *not*
holds for a null too (`ne` finds rows without a value), as Dataverse's own SQL adds `or … is null` to it.
"""
