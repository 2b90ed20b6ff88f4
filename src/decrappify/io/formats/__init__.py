"""File formats: one package or module each."""
