"""The directive `api`: a table of the listed public names, followed by their docstrings."""

import inspect
from importlib import import_module
from types import GenericAlias

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


def resolved(path):
    """Return the object with a dotted path such as decrappify.io.open_movie."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def is_documented(public):
    """Return whether an object has a docstring of its definition, unlike constants and aliases of types."""
    return inspect.isroutine(public) or (inspect.isclass(public) and not isinstance(public, GenericAlias))


def directive(path):
    """Return the lines of the directive that documents a name."""
    public = resolved(path)
    if inspect.isclass(public) and is_documented(public):
        members = [] if issubclass(public, BaseException) else ["   :members:"]
        return [f".. autoclass:: {path}", *members, ""]
    if inspect.isroutine(public):
        return [f".. autofunction:: {path}", ""]
    value = repr(public).replace("decrappify.crappify.part.", "").replace("typing.", "")
    module, _, name = path.rpartition(".")
    return [f".. py:data:: {name}", f"   :module: {module}", f"   :value: {value}", ""]


class PublicNames(SphinxDirective):
    """One dotted path per line."""

    has_content = True

    def run(self):
        """Return the nodes of the table and of the docstrings."""
        paths = [line.strip() for line in self.content if line.strip()]
        lines = [
            ".. autosummary::",
            "   :nosignatures:",
            "",
            *(f"   {path}" for path in paths if is_documented(resolved(path))),
            "",
        ]
        for path in paths:
            lines += directive(path)
        source, line = self.get_source_info()
        node = nodes.container()
        self.state.nested_parse(StringList(lines, items=[(source, line)] * len(lines)), 0, node)
        return node.children


def setup(app):
    """Register the directive."""
    app.add_directive("api", PublicNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
