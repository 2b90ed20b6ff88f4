"""Help texts of commands as plain text: without it, patterns such as *.czi would be markup."""


def escape(_app, _context, lines):
    """Escape the asterisks of a description, in place."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def escape_addresses(_app, _context, lines):
    """Prevent links to the addresses in the descriptions of options, which are examples, in place."""
    lines[:] = [line.replace("://", r"\://") for line in lines]


def setup(app):
    """Connect to the events of sphinx-click."""
    app.setup_extension("sphinx_click")
    app.connect("sphinx-click-process-options", escape_addresses)
    for event in ("description", "epilog"):
        app.connect(f"sphinx-click-process-{event}", escape)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
