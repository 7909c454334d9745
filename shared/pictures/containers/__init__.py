"""What the containers of picture files say, read byte by byte: no decoder takes part."""
