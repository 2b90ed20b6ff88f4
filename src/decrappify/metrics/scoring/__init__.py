"""What a metric is, the registry of metrics, and the quantities from which they are computed."""
