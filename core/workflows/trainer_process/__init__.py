"""The process that trains: loads, trains, records, saves."""
