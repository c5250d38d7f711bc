"""The whole paper as a grid of cells: what to run, in which order, how long it takes, and what has been done."""
