"""Errors and warnings for inputs that are damaged, changed after they were opened, unreadable or incomplete."""
