"""Banned openings and words with their replacements, and the search for them in Python modules and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# First words of function docstrings, and what to write instead.
FUNCTION_OPENINGS = {
    "Announce": "Log",
    "Ask": "Request or Read",
    "Be": "Return",
    "Bring": "Read or Convert",
    "Does": "Return whether",
    "Everybody": "a verb such as Return",
    "Forget": "Remove",
    "Gets": "Get",
    "Give": "Return",
    "Gives": "Return",
    "Go": "Move or Resume",
    "Hand": "Pass or Return",
    "Is": "Return whether",
    "Judge": "Evaluate",
    "Lay": "Write or Arrange",
    "Let": "Allow or Enable",
    "Look": "Read or Find",
    "Make": "Create",
    "Makes": "Create",
    "Names": "Return the names of",
    "Nothing": "a verb such as Return",
    "Offer": "Show or Return",
    "One": "a verb such as Return",
    "Pick": "Select",
    "Play": "Simulate or Use",
    "Put": "Add, Insert or Write",
    "Refuse": "Raise ... if",
    "Returns": "Return",
    "Say": "Log, Print or Return",
    "Says": "Log, Print or Return",
    "Settle": "Determine or Select",
    "Stand": "Wait or Replace",
    "Take": "Read, Use or Return",
    "Takes": "Read, Use or Return",
    "Tell": "Log, Print or Return",
    "Tells": "Log, Print or Return",
    "The": "a verb such as Return",
    "Turn": "Convert or Rotate",
    "Turns": "Convert or Rotate",
    "Whether": "Return whether",
}
# First words of all docstrings, and what to write instead.
OPENINGS = {
    "Every": "All, or a verb such as Return",
    "Everything": "a noun phrase or a verb",
    "Holds": "a noun phrase",
    "How": "a noun phrase or a verb",
    "Keeps": "a noun phrase",
    "Knows": "a noun phrase",
    "Nobody": "a noun phrase or a verb",
    "Somebody": "a noun phrase or a verb",
    "Something": "a noun phrase or a verb",
    "What": "a noun phrase or a verb",
    "When": "a noun phrase or a verb",
    "Where": "a noun phrase or a verb",
    "Which": "a noun phrase or a verb",
    "Who": "a noun phrase or a verb",
    "Why": "a noun phrase or a verb",
}
# Regular expressions for docstrings, comments and pages, and what to write instead.
WORDS = {
    r"(?<!there )(?:is|are|was|were) no(?! longer| more)": "is not a, or what is expected",
    r"(?:go|goes|going|went) on": "resume or continue",
    r"nobody|somebody|whoever|everybody": "the user, or the passive voice",
    r"(?:of|on) (?:its|their) own": "separate, or its",
    r"by (?:itself|themselves)": "automatically",
    r"look(?:s|ed|ing)? at": "use, read or inspect",
    r"for ever": "indefinitely",
    r"pictures?": "image",
    r"(?<!ground[ -])truths?(?! limit)": "reference",
    r"rooms?|floors?(?= of | below| above)|house": "package, module or layer",
    r"where there (?:is|are)|where it (?:has|is|does)": "if present, if available",
    r"on purpose": "intentionally",
    r"made bad|makes? bad": "degrade",
    r"says?|said|saying": "state, log or report",
    r"tells?|told|telling": "state, log or report",
    r"gives?|gave|giving": "return, pass or result in",
    r"ask(?:s|ing)? for": "request, require or set",
    r"asked": "requested, required or set",
    r"hop(?:e|ed|es|ing)": "target, expected",
    r"(?<!display )plays?|played|playing": "simulate, use or process",
    r"wants?|wanted|wishe[sd]": "require, requested",
    r"takes? up|took up|takes? part": "resume, use",
    r"in earnest|in vain|befalls?|so-manieth|mended|hither|whence": "a plain word",
    r"stands? still|standing still": "is static, frozen",
    r"cut short": "truncated",
    r"way back": "the inverse, the restoration",
    r"half way": "partially",
    r"on the way": "during",
    r"in one go|at one go": "as a whole",
    r"beside": "next to, with",
    r"unseen": "held-out",
    r"colour\w*|grey\w*": "American spelling",
}
# The same for pages only.
PAGE_WORDS = {
    r"lies? (?:in|at|on|below|above|beside|within)": "is in",
    r"(?:leaves?|leaving) out|left out": "omit",
}

# The same for messages and labels only.
LITERAL_WORDS = {
    r"(?:leave|leaves|leaving) (?:it|them|[\w.]+) out": "omit",
    r"no (?:reader|writer) here|(?:read|writ)able are": "unsupported format ...; supported: ...",
    r"(?:is|are) not there|is gone": "is not available, does not exist or is missing",
    r"announces?|announced(?! bytes)": "state or list",
    r"given twice": "is listed twice",
    r"make (?:it|them) alike|odd one": "convert to one shape and data type",
    r"holds other things": "what was expected, such as a Zarr store",
    r"(?:run|do) the same again": "repeat the run",
    r"put (?:it|them) back": "restore",
}

_PROPERTIES = {"property", "cached_property", "setter"}
_COMMENT = re.compile(r"(?:^ *|  )# (?P<text>(?!noqa|type:|mypy:).+)$", re.MULTILINE)
# Code, quotations, links, menu entries, doctests and the names of parameters.
_QUOTED = re.compile(
    r"``[^`\n]+``|`[^`\n]+`|\"[^\"\n]+\"|\]\([^)\n]*\)|\*[^*\n]*→[^*\n]*\*|^ *(?:>>>|\.\.\.) .*$|^ +[\w*, ]+ : ",
    re.MULTILINE,
)
_BLOCK = re.compile(
    r"^```.*?^```$|^    \S[^\n]*$|^<!-- (?P<name>\w+) -->$.*?^<!-- /(?P=name) -->$", re.MULTILINE | re.DOTALL
)


class Text(NamedTuple):
    """A docstring, comment or page, and the line on which it starts."""

    path: Path
    line: int
    text: str
    kind: str  # "function", "property", "class", "module", "comment", "literal" or "page"


def texts(path: Path) -> Iterator[Text]:
    """Yield the docstrings and comments of a module, or the prose of a page."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield Text(path, 1, _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), content), "page")
        return
    yield from _docstrings(path, ast.parse(content), "module")
    for comment in _COMMENT.finditer(content):
        yield Text(path, content.count("\n", 0, comment.start()) + 1, comment["text"], "comment")


def _docstrings(path: Path, node: ast.AST, kind: str) -> Iterator[Text]:
    body = getattr(node, "body", [])
    first = body[0].value if body and isinstance(body[0], ast.Expr) else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield Text(path, first.lineno, first.value, kind)
    for child in body:
        if isinstance(child, ast.ClassDef):
            yield from _docstrings(path, child, "class")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(decorator).split(".")[-1] for decorator in child.decorator_list}
            yield from _docstrings(path, child, "property" if decorators & _PROPERTIES else "function")


def literals(path: Path) -> Iterator[Text]:
    """Yield the string literals of a module that contain a space: labels, tooltips and messages, not keys."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {text.line for text in _docstrings(path, tree, "module")}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and " " in text.strip() and node.lineno not in docstrings:
            yield Text(path, node.lineno, text, "literal")


def banned_opening(text: Text) -> str | None:
    """Return a message if a docstring begins with a banned word."""
    openings = OPENINGS | (FUNCTION_OPENINGS if text.kind == "function" else {})
    first = text.text.split(maxsplit=1)[0].strip(".,:;") if text.text.strip() else ""
    if first not in openings or text.kind in ("comment", "literal", "page"):
        return None
    return f"{text.path}:{text.line}: docstring begins with {first!r}; write: {openings[first]}"


def banned_words(text: Text) -> list[str]:
    """Return a message for each banned word of a text."""
    words = WORDS | {"page": PAGE_WORDS, "literal": LITERAL_WORDS}.get(text.kind, {})
    prose = _QUOTED.sub("``", text.text)
    messages = []
    for found in _expression(words).finditer(prose):
        instead = next(words[word] for word in words if _expression([word]).match(prose, found.start()))
        line = text.line + prose.count("\n", 0, found.start())
        messages.append(f"{text.path}:{line}: {found[0]!r}; write: {instead}")
    return messages


def _expression(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)
