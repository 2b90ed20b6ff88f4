"""The napari plugin of decrappify: readers, writers, sample movies and widgets.

It calls public names of `decrappify` and shows the results; it contains no model code. Importing it loads neither Qt
nor napari.
"""

from __future__ import annotations

from decrappify import __version__

__all__ = ["__version__"]
