"""Methods to compare: models, callables and baselines, and the names of models."""
