"""What the models answer and why: one analysis a module."""
