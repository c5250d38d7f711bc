"""The Representations page."""
