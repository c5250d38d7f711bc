"""What comes in from outside: what a table, a mask or a file of a stranger means."""
