"""Rules that goals share."""
