"""Parts of the widget that trains a model."""
