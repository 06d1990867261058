"""The health of a network while it trains, measured within a bounded share of the time."""
