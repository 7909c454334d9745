"""What every training shares: accelerator and checkpoints."""
