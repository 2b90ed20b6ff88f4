"""`Report`: the results of a benchmark with a method for each output format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from decrappify.benchmarking.report.results import Results


class Report(Results):
    """Results of `benchmark`, with output as text, plain values, HTML or a folder of files.

    The renderers are functions of `Results` and import it; only this class imports them, on use.
    """

    def table(self) -> str:
        """Return means and intervals of all methods as text, and the paired differences."""
        from decrappify.benchmarking.report.text import table

        return table(self)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per image and method: names, kind, D and all metrics."""
        from decrappify.benchmarking.report.tables import rows

        return rows(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all results except images as plain values: settings, versions, metrics, means, curves."""
        from decrappify.benchmarking.report.tables import to_dict

        return to_dict(self)

    def to_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the report as one self-contained HTML file: tables, plots, and images that zoom together.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        """
        from decrappify.benchmarking.report.files import save_html

        return save_html(self, path, overwrite=overwrite)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write ``report.html``, ``report.csv``, ``report.json``, and plots and images as PNG files.

        Raises
        ------
        OutputExistsError
            If one of the three exists and `overwrite` is False, or the folder contains other files without a report.
        OutputError
            If the folder or a file cannot be written.
        """
        from decrappify.benchmarking.report.files import save_folder

        return save_folder(self, folder, overwrite=overwrite)

    def _repr_html_(self) -> str:
        """Return a compact table of means for notebooks."""
        from decrappify.benchmarking.report.text import html_means

        return html_means(self)
