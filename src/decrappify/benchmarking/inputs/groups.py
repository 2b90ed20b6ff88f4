"""Fields of view and groups of images, from a regular expression that is searched in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from decrappify._common.argument_names import setting
from decrappify.errors import InputError

FIELD = "field"


def parsed(pattern: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    r"""Return the groups of each name: its field of view as "field", and the other named groups.

    The field of view is the group ``(?P<field>...)``, or else the first group without a name, or the whole match of a
    pattern without groups. With only other named groups the fields of view are not set. Every other named group is
    a property of the image, such as its channel.

    Raises
    ------
    InputError
        If the pattern is not a regular expression, or does not match a name.

    Examples
    --------
    >>> parsed(r"(fov\d+)_(?P<channel>\w+)", ["fov1_dna", "fov1_actin"])["fov1_actin"]
    {'channel': 'actin', 'field': 'fov1'}
    >>> parsed("fov.", ["fov1_dna"]), parsed("(?P<channel>dna)", ["fov1_dna"])
    ({'fov1_dna': {'field': 'fov1'}}, {'fov1_dna': {'channel': 'dna'}})
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{setting('group_by', pattern)} is not a regular expression: {error}") from error
    return {name: _groups(compiled, name) for name in names}


def _groups(compiled: re.Pattern[str], name: str) -> dict[str, str]:
    match = compiled.search(name)
    if match is None or None in match.groups():
        raise InputError(
            f"{setting('group_by', compiled.pattern)} does not match {name!r}; change the regular expression, which is "
            "searched in the names of the images in the report"
        )
    found = match.groupdict()
    unnamed = [number for number in range(1, compiled.groups + 1) if number not in compiled.groupindex.values()]
    if FIELD not in found and unnamed:
        found[FIELD] = match[unnamed[0]]
    elif not found:
        found[FIELD] = match[0]
    return found
