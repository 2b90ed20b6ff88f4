"""Adaptation of a model to a raw layer."""
