"""Command lines that do the same as a widget with its settings; without Qt."""
