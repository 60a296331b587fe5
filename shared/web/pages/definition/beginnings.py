"""Texts to begin a new sync from: small, sound, and with what is to be filled in said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template


@dataclass(frozen=True, slots=True)
class Beginning:
    """One kind of source to begin with."""

    name: str
    title: str
    source: str
    columns: tuple[str, str]

    def text(self, sync: str) -> str:
        """The definition of a sync of that name."""
        code, label = self.columns
        source = Template(self.source.strip("\n")).substitute(sync=sync)
        return _TEXT.substitute(sync=sync, source=source, code=code, label=label)


_TEXT = Template("""\
name: $sync
title: $sync
description: ""                      # what the sync is for

source:
$source

destination:
  type: dynamics
  entity: account                    # the table that is written
  id_column: accountid
  service_url: https://your-org.crm4.dynamics.com/
  # Names of secrets in the key vault, never their values. They begin with the sync's name and two hyphens.
  client_id: { secret: $sync--client-id }
  client_secret: { secret: $sync--client-secret }
  # filter: "statecode eq 0"         # the rows that this sync owns

mappings:                            # which source column fills which column of the table
  - { source: $code, target: accountnumber }
  - { source: $label, target: name }

behaviour:
  strategy: delta                    # full: the source is the whole truth, and rows without a record are dropped
  key: [accountnumber]               # says which record belongs to which row
  new: insert
  changed: update
  approval: required                 # every job waits with its plan until somebody approves it; then: none

permissions: { admin: [], write: [], execute: [], read: [] }    # groups or app roles of Entra
""")

_SCHEMA = """
  schema:                            # the columns that are read
    - { name: customer_no, type: text, mandatory: true, validate: true }
    - { name: customer_name, type: text }
"""

BEGINNINGS: Mapping[str, Beginning] = {
    one.name: one
    for one in (
        Beginning(
            "upload", "A CSV file that is handed over with each start",
            "  type: delimited                    # CSV\n  path: \"@extract\"" + _SCHEMA.rstrip()
            + "\n\nvariables:\n  extract: { file: true }            # asked for when a job starts",
            ("customer_no", "customer_name"),
        ),
        Beginning(
            "blob", "A CSV file in Blob Storage",
            "  type: delimited                    # CSV\n"
            "  path: blob://incoming/customers.csv    # a container that the operator's reach file names" + _SCHEMA,
            ("customer_no", "customer_name"),
        ),
        Beginning(
            "database", "A table of a database (PostgreSQL, SQL Server)",
            "  type: sql\n  dialect: postgresql                # or sqlserver\n"
            "  connection: { secret: $sync--source }    # a secret that holds the connection string\n"
            "  table: sales.customers" + _SCHEMA,
            ("customer_no", "customer_name"),
        ),
    )
}  # fmt: skip
"""By name, in the order in which they are offered: only kinds of source that run."""
