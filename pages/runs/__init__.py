"""The page Runs: all runs in a table, and what can be done with one."""
