"""Small files: atomic writes, TOML, and values kept for the user."""
