"""Other programs in comparison with decrappify, each in its own process and environment."""
