"""The commands of `train_cli.py`, one module each: parse, call dr_core, show progress. They compute nothing."""
