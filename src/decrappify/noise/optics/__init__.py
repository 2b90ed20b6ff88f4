"""Blur, scale factor and line jitter that lead from good images to those of a microscope."""
