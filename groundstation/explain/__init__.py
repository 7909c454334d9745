"""Where an envelope's bytes go, by cause, file, line and token."""
