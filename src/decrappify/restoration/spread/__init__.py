"""Spread of a restoration: how far its pixels depend on the noise of this exposure."""
