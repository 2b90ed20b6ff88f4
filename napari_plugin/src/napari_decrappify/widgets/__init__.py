"""Widgets of the plugin: controls, and what they show of a run."""
