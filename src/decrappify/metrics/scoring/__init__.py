"""Definition and registration of metrics, and measurement of the quantities from which they are computed."""
