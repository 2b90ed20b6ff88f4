"""Version of the package and the release it is based on."""

from __future__ import annotations

import re

try:  # derived from git tags when the package is built
    from decrappify._build_version import __version__ as __version__
except ImportError:  # run from a source tree that was never installed
    __version__ = "0.1.0+source"


def release_of(version: str) -> str:
    """Return the release that a version (PEP 440) is based on, with at least three components.

    Unfinished runs are compared by release, because the version of a development build changes with every commit.

    Examples
    --------
    >>> release_of("0.2.0.post1.dev37+g1a2b3c4"), release_of("0.3rc1")
    ('0.2.0', '0.3.0')
    """
    numbers = re.match(r"(?:\d+!)?\d+(?:\.\d+)*", version)
    release = numbers.group() if numbers else "0"
    return release + ".0" * (2 - release.count("."))


RELEASE = release_of(__version__)
