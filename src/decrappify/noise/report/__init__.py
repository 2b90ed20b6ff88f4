"""Report of a calibration as one HTML page."""
