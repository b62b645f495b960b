"""What to run: the standard verification, and the command line."""
