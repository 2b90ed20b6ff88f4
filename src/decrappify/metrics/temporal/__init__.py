"""Metrics of movies: flicker, preservation of motion, and the static pixels on which flicker is measured."""
