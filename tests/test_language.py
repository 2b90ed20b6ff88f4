"""Wording of docstrings, comments and documentation: no banned openings or words."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from tests.language import Text, banned_opening, banned_words, literals, texts

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "napari_plugin", "examples", "benchmarks", "tests")
MODULES = sorted(chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS))
SOURCES = sorted(chain.from_iterable((ROOT / folder).rglob("*.py") for folder in ("src", "napari_plugin/src")))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += [
    page for folder in ("docs", "benchmarks", "benchmarks/results") for page in sorted((ROOT / folder).glob("*.md"))
]


@pytest.fixture(scope="module")
def all_texts():
    return [text._replace(path=path.relative_to(ROOT)) for path in [*MODULES, *PAGES] for text in texts(path)]


def test_docstrings_begin_with_a_verb_or_noun_phrase(all_texts):
    assert len(all_texts) > 1000
    messages = [message for text in all_texts if (message := banned_opening(text))]
    assert not messages, "\n".join(["", *messages])


def test_docstrings_comments_and_pages_contain_no_banned_words(all_texts):
    messages = [message for text in all_texts for message in banned_words(text)]
    assert not messages, "\n".join(["", *messages])


def test_messages_and_labels_contain_no_banned_words():
    found = [text for path in SOURCES for text in literals(path)]
    assert len(found) > 1000
    messages = [message for text in found for message in banned_words(text)]
    assert not messages, "\n".join(["", *messages])


def test_literals_finds_labels_but_no_docstrings_or_keys(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('"""A module."""\nx = {"key": "A label"}\ny = f"{x} of frames"\n')
    assert [(text.line, text.text) for text in literals(module)] == [(2, "A label"), (3, " of frames")]


def test_texts_finds_docstrings_comments_and_prose(tmp_path):
    module, page = tmp_path / "module.py", tmp_path / "page.md"
    lines = ['"""A."""', 'x = "# no"  # B', "class C:", '    """C."""', "    def f(self):", '        """D."""']
    module.write_text("\n".join([*lines, "    @property", "    def g(self):", '        """E."""', ""]))
    page.write_text("One\n```python\ntwo\n```\n\n    three\n<!-- made -->\nfour\n<!-- /made -->\nfive\n")
    found = [(text.line, text.kind, text.text) for text in texts(module)]
    assert found == [
        (1, "module", "A."),
        (4, "class", "C."),
        (6, "function", "D."),
        (9, "property", "E."),
        (2, "comment", "B"),
    ]
    assert [text.text.split() for text in texts(page)] == [["One", "five"]]


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("function", "Gives the mean.", "p.py:3: docstring begins with 'Gives'; write: Return"),
        (
            "class",
            "Everything that is read.",
            "p.py:3: docstring begins with 'Everything'; write: a noun phrase or a verb",
        ),
        ("class", "Gives the mean.", None),
        ("property", "Names of the methods.", None),
        ("function", "Return the mean.", None),
        ("comment", "Gives the mean.", None),
    ],
)
def test_banned_opening_states_place_and_replacement(kind, text, found):
    assert banned_opening(Text(Path("p.py"), 3, text, kind)) == found


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("page", "A line.\nThe pictures are read.", ["p.md:2: 'pictures'; write: image"]),
        ("page", 'In `picture` and "picture" quotations.', []),
        (
            "literal",
            "cells.nd2 has no reader here",
            ["p.md:1: 'no reader here'; write: unsupported format ...; supported: ..."],
        ),
        ("comment", "what was announced; leave it out", []),
        ("comment", "As was Hoped.", ["p.md:1: 'Hoped'; write: target, expected"]),
    ],
)
def test_banned_words_states_place_and_replacement(kind, text, found):
    assert banned_words(Text(Path("p.md"), 1, text, kind)) == found
