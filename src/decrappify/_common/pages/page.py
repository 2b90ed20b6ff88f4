"""HTML page from a Jinja template in a package, with the shared stylesheet."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

_SHARED = {"style": "page.css", "script": "page.js"}


def render_page(package: str, template: str = "page.html.jinja", **context: Any) -> str:
    """Return the HTML of a template with `context`, the stylesheet as `style` and the zoom of images as `script`.

    Parameters
    ----------
    package : str
        Package that contains the template.
    template : str
        File name.
    **context
        Values of the template; strings are escaped, unless they are `Markup`.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shared = {name: resource("decrappify._common.pages", file) for name, file in _SHARED.items()}
    return environment.from_string(_text(package, template)).render(**shared, **context)


def resource(package: str, name: str) -> Any:
    """Return the text of a file in a package as markup that is not escaped."""
    from markupsafe import Markup

    return Markup(_text(package, name))


def _text(package: str, name: str) -> str:
    return (files(package) / name).read_text(encoding="utf-8")
