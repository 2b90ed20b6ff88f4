"""Jobs on layers and files: restoration, preview, trust maps, export, comparison, colorization, batches and scenes."""
