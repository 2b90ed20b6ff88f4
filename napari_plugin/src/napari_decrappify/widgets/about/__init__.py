"""Model page: the card of a model, its check on a layer, and the estimate of a run."""
