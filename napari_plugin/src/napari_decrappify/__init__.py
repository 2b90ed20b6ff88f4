"""The napari plugin of decrappify: readers, writers, sample movies and widgets.

It contains no model code: it calls public names of `decrappify` and shows their results. Importing it loads neither Qt
nor napari.
"""

from __future__ import annotations

from decrappify import __version__

__all__ = ["__version__"]
