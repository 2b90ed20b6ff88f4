"""Reading of PNG, JPEG, BMP and other still images."""
