"""The list of all runs: what people wrote beside a run, and an index that reads each file once."""
