"""One patch sent in every way, classical and this one."""
