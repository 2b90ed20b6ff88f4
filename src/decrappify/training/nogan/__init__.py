"""NoGAN training: pretraining, generated images, critic, and a short GAN phase (Antic, Howard and Manor 2019)."""
