"""A run as one page of HTML that opens anywhere, asks for nothing from elsewhere, and prints."""
