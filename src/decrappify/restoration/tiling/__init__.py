"""Tiled restoration of frames: geometry and blending of the tiles, and the network that restores them."""
