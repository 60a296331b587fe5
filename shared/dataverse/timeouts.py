"""How long a request of each kind may take, in seconds. The definition's `timeout_s` caps them all.

A write may end as late as the lease allows, and no later: `timeout_s` is what the lease outlives.

Source: Microsoft Learn, "Analyze plug-in performance" (2025): a custom step ends after two minutes; Microsoft's .NET
client waits four minutes for an answer. What the service itself allows a whole request is not published.
"""

from __future__ import annotations

CONNECT_S = 20.0
"""To stand a connection."""
READ_S = 150.0
"""Rows, metadata and counts: no custom step runs longer than two minutes; the rest is for the way."""
BULK_S = 240.0
"""A bulk call is one transaction, sized to take five seconds. A batch is up to a thousand: it has `timeout_s`."""
