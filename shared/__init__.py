"""Dynamics Sync: the product. Layers, words and promises are described in docs/architecture.md."""
