"""Links to folders of the repository, which have no page on the site: shown as their text."""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class FolderLinks(SphinxPostTransform):
    """Replacement of links to existing folders by their text."""

    default_priority = 5  # before MyST resolves links

    def run(self, **_):
        """Replace the links of one page."""
        page = Path(self.env.doc2path(self.env.docname)).parent
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = link.get("reftarget", "")
            if link.get("reftype") == "myst" and target and (page / target).is_dir():
                link.replace_self(nodes.inline("", "", *link.children))


def setup(app):
    """Register the transform."""
    app.add_post_transform(FolderLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
