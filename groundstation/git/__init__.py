"""Reading repositories without trusting them."""
