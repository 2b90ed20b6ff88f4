"""Training engine: one Trainer for supervised, NoGAN and colorization runs, and its parts."""
