"""Controls with which a person chooses layers, models, inputs, and devices."""
