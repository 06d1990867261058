"""What a session has chosen, its part in the page's address, and the caches that all sessions share."""
