"""Supervised training: one phase of the Trainer, without a critic."""
