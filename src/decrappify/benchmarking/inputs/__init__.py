"""Inputs of a benchmark: pairs of movies and their agreement, groups of images, and movies computed from others."""
