"""The commands, by area: restoration, and training with calibration and model files; one module each."""
