"""Parts that widgets with runs share: forms, previews, progress, and cancel."""
