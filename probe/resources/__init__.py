"""What work may take: time, memory, disk, energy."""
