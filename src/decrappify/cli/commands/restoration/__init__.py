"""Commands that restore movies, and evaluate model and result: info, check, restore, trust and intervals."""
