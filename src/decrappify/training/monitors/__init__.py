"""Monitors of a GAN phase: measurements, the inflection detector and their plots."""
