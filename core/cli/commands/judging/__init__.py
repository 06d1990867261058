"""What ``evaluate`` judges more closely."""
