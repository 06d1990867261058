"""The verbs of the command line, a module for one or a few."""
