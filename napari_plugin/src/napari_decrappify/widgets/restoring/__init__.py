"""Parts of the widget that restores: runs, their queue, and models of channels."""
