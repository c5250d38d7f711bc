"""Studies: the folder that the command line writes and the app explores."""
