"""Settings of training runs, their presets and run files."""
