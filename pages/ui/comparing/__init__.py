"""What two runs answered differently: drawn on the pages that judge a run and that compare several."""
