"""Jobs on models: check, estimate and adaptation."""
