"""Checks of inputs, and sums that accumulate frame by frame: of pixels, and of spatial frequencies."""
