"""The page Home: the path through the lab, one button that walks it, recent runs."""
