"""Pretraining: the methods, each with its recipe and loss, and the one task that trains by any of them."""
