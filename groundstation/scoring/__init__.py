"""What one candidate prompt costs in bits."""
