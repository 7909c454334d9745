"""Books of prompts: encoded, published, bundled."""
