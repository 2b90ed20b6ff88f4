"""Jobs on whole movies and files: trust maps and batches."""
