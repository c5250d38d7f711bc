"""The published data sets: their layouts, their index, and what is on the disk against what was published."""
