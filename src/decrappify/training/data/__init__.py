"""Training data: from paths, arrays and folders to patches."""
