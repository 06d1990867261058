"""What a session has chosen, and what the server keeps for all."""
