"""The training engine: one Trainer for supervised, NoGAN and colorization runs, and what it is made of."""
