"""Trust maps: legend, option of the Restore widget, and the Trust widget."""
