"""Jobs that judge a run more closely."""
