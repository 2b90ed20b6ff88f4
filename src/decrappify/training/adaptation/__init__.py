"""Adaptation of a model to noisy movies, without clean images: split data, paired validation and the run."""
