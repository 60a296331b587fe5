"""`python -m bench servicebus`: what the local Service Bus costs, through the unmodified SDK."""

from __future__ import annotations

from bench.standin.servicebus import main

__all__ = ["main"]
