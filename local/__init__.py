"""The cloud on your machine: stand-ins that speak the real protocols on loopback."""
