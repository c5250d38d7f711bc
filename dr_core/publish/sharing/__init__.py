"""A study as one archive to give away, with its model card, and the way back."""
