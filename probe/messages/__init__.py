"""What each kind of message does to the probe."""
