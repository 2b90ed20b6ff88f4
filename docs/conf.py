"""Settings of the documentation site: `make docs` builds it, `make lint` builds it with warnings as errors.

The source folder is the root of the repository, so that links between docs/, benchmarks/ and the pages at the root work
as on the web page of the repository, without copies.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT / "src")]

from decrappify import __version__  # noqa: E402

project = "decrappify"
author = "The decrappify developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "cli_help",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "api_names",
    "repository_links",
]

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "docs/**.rst",
    "benchmarks/**.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CODE_OF_CONDUCT.md",
    "THIRD_PARTY.md",
]
exclude_patterns = [".*", "**/.*", "**/__pycache__", "docs/_*", "src", "tests", "napari_plugin", "containers"]

nitpicky = True
# Types of other packages and descriptions of types in words; references to names of this package must exist.
nitpick_ignore_regex = [("py:.*", r"(?!decrappify\b).*")]
default_role = "code"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_typehints = "none"  # the numpydoc sections contain them, with shapes and units
autodoc_member_order = "bysource"
autosummary_generate = False
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_validation_checks = {"PR02", "PR03", "PR05", "YD01", "GL03", "SS01"}
smartquotes = False  # options begin with two hyphens
copybutton_exclude = ".linenos, .gp, .go"

# Scripts that `make docs` runs; `make lint` does not (-t lint).
HAS_GALLERY = any((ROOT / "examples" / "gallery").glob("**/plot_*.py"))
sphinx_gallery_conf = {
    "examples_dirs": ["examples/gallery"] if HAS_GALLERY else [],
    "gallery_dirs": ["docs/gallery"] if HAS_GALLERY else [],
    "filename_pattern": r"[\\/]plot_",
    "thumbnail_size": (400, 280),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,  # its page loads scripts from other sites
    "plot_gallery": not tags.has("lint"),  # noqa: F821, defined by Sphinx
}

html_theme = "pydata_sphinx_theme"
html_title = "decrappify"
html_static_path = ["_static"]
html_extra_path = ["_extra"]  # index.html at the root of the site leads to the landing page
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "decrappify"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"docs/index": []}

linkcheck_timeout = 20
linkcheck_anchors_ignore_for_url = [r"https://github\.com/.*"]


def add_gallery(_app, page, source):
    """Add the gallery to the contents of the guides."""
    if page == "docs/guides":
        source[0] += "\n```{toctree}\n:hidden:\n:caption: Examples\n\ngallery/index\n```\n"


def setup(app):
    """Connect the events of Sphinx."""
    if HAS_GALLERY:
        app.connect("source-read", add_gallery)
