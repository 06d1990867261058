"""Jobs beside the runs, a module a kind, each carried out in a process of its own."""
