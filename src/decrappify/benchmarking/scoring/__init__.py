"""Scores of a method on a pair: metrics, comparison of restored halves, and images and curves as evidence."""
