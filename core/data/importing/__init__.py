"""Images from tables, arrays, parquet and binaries: hostile until checked, an ordinary folder of classes afterwards."""
