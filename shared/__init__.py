"""Dynamics Sync: the product. Layers, words and promises are described in docs/architecture.md."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # nothing is printed unless a door configures logging
