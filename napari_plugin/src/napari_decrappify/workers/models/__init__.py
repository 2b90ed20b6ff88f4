"""Jobs on models: training, adaptation, calibration and checks."""
