"""Layers of a viewer: axes, units and scale, and conversion from and to movies."""
