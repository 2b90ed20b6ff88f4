"""Commands that calibrate, crappify, train, adapt, import and export."""
