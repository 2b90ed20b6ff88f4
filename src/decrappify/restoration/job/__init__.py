"""Definition of a restoration: options, models of the channels, planes and their windows; checks before the run."""
