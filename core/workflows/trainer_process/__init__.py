"""The process that trains a run: it waits for its device, loads data and network, trains, records and evaluates."""
