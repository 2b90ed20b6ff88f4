"""Files of layers: their scenes and channels."""
