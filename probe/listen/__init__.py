"""The service: what comes is dealt with in order, and telemetry goes back."""
