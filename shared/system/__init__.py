"""What is asked of the operating system: memory, processes, signals, native code."""
