"""From published weights to a pin."""
