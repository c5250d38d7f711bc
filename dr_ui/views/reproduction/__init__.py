"""The Reproduction page."""
