"""Dynamics Sync: the product. Layers, words and promises are described in docs/architecture.md."""

import logging

VERSION = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # nothing is printed unless a door configures logging
