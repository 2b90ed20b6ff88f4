"""Registry of file formats: built-in ones, those of `register_format`, and those of installed packages.

An installed package registers a format by an entry point of the group ``decrappify.formats``, which names a `Format`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from decrappify._common.caller_warning import warn_caller
from decrappify._common.checks import reason
from decrappify._common.plugins import load_plugins
from decrappify.errors import FormatError, InputError
from decrappify.io.format import Format
from decrappify.io.remote.path import Location

GROUP = "decrappify.formats"

_registered: list[Format] = []


@cache
def built_in_formats() -> tuple[Format, ...]:
    """Return the formats of this package, in the order in which files are tested."""
    from decrappify.io.formats.czi.format import FORMAT as CZI
    from decrappify.io.formats.omezarr.format import FORMAT as OME_ZARR
    from decrappify.io.formats.tiff.format import FORMAT as TIFF
    from decrappify.io.images.format import FORMAT as IMAGE
    from decrappify.io.media.format import FORMAT as VIDEO

    return CZI, TIFF, OME_ZARR, VIDEO, IMAGE


def formats() -> tuple[Format, ...]:
    """Return all formats; plugins and installed formats are loaded at the first call."""
    load_plugins()
    return (*built_in_formats(), *_registered, *_installed_formats())


def register_format(form: Format) -> Format:
    """Add a format for this process; packages that are installed use an entry point instead.

    Parameters
    ----------
    form : Format
        Its name and suffixes must be new. A format whose `open` has the same module and name as that of a registered
        one replaces it, as in a notebook cell that is run again.

    Returns
    -------
    Format
        `form`.

    Raises
    ------
    InputError
        If another format has the name or one of the suffixes.

    Examples
    --------
    >>> import numpy as np
    >>> from decrappify import Movie, open_movie
    >>> from decrappify.io import Format, register_format
    >>> def open_text(path):
    ...     return Movie.from_array(np.loadtxt(path, dtype=np.uint16), name=path.name)
    >>> register_format(Format(name="text image", suffixes=(".doctest",), open=open_text)).name
    'text image'
    """
    if not isinstance(form, Format):
        raise InputError(f"register_format needs a Format, found a {type(form).__name__}")
    kept = [other for other in _registered if _origin(other) != _origin(form)]
    if clash := _clash(form, (*built_in_formats(), *kept, *_installed_formats())):
        raise InputError(f"format {form.name} cannot be registered: {clash}; choose another one")
    _registered[:] = [*kept, form]
    return form


def format_by_suffix(path: Location) -> Format | None:
    """Return the format to which the suffix of a path belongs; None for an unknown suffix."""
    suffix = path.suffix.lower()
    found = _with_suffix(suffix, built_in_formats())  # installed formats are loaded only if these do not match
    return found or _with_suffix(suffix, formats())


def writer_for(path: Path) -> Format:
    """Return the format to write.

    Raises
    ------
    FormatError
        If the suffix is not a supported output format.
    """
    suffix = path.suffix.lower()
    for table in (built_in_formats, formats):
        found = next((form for form in table() if suffix in form.write_suffixes), None)
        if found is not None:
            return found
    first = [
        (form.long_suffixes or form.write_suffixes)[0]
        for form in sorted(formats(), key=lambda form: not form.is_working_store)
        if form.write is not None
    ]
    raise FormatError(f"{path} has an unsupported output format; supported: {', '.join(first[:-1])} and {first[-1]}")


def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes of all formats that can be read, lowercase and with a dot."""
    return tuple(suffix for form in formats() for suffix in form.suffixes)


def writable_suffixes() -> tuple[str, ...]:
    """Return the suffixes of all formats that can be written, lowercase and with a dot."""
    return tuple(suffix for form in formats() for suffix in form.write_suffixes)


def frame_suffixes() -> frozenset[str]:
    """Return the suffixes of files that may be still images, or single frames of a folder."""
    return frozenset(suffix for form in formats() if form.frames is not None for suffix in form.frames.suffixes)


def plain_stem(name: str) -> str:
    """Return the name of a file without its suffix, such as ``.tif`` or ``.ome.tif``.

    >>> plain_stem("cells.OME.tif"), plain_stem("cells.1.png"), plain_stem("cells")
    ('cells', 'cells.1', 'cells')
    """
    for form in formats():
        for suffix in form.long_suffixes:
            if name.lower().endswith(suffix):
                return name[: -len(suffix)]
    return Path(name).stem


@cache
def _installed_formats() -> tuple[Format, ...]:
    from importlib.metadata import entry_points

    found: list[Format] = []
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist is not None else "unknown"
        what = f"format {entry.name!r} of the package {package} is omitted"
        try:
            form = entry.load()
        except Exception as error:  # noqa: BLE001 -- a package may raise any error
            warn_caller(f"{what}, its module cannot be imported ({reason(error)}); update or uninstall the package")
            continue
        if not isinstance(form, Format):
            warn_caller(f"{what}: {entry.value} is a {type(form).__name__}, expected a Format; update the package")
        elif clash := _clash(form, (*built_in_formats(), *_registered, *found)):
            warn_caller(f"{what}: {clash}; uninstall one of the packages")
        else:
            found.append(form)
    return tuple(found)


def _clash(form: Format, others: Iterable[Format]) -> str | None:
    """Return how a format conflicts with another one, None if it does not."""
    for other in others:
        if form.name == other.name:
            return f"the name {form.name!r} is taken"
        taken = set(form.suffixes) & set(other.suffixes) or set(form.write_suffixes) & set(other.write_suffixes)
        if taken:
            return f"the suffix {min(taken)} belongs to the format {other.name}"
    return "only one format is the working store, OME-Zarr" if form.is_working_store else None


def _origin(form: Format) -> tuple[str, str]:
    return getattr(form.open, "__module__", ""), getattr(form.open, "__qualname__", repr(form.open))


def _with_suffix(suffix: str, table: Iterable[Format]) -> Format | None:
    return next((form for form in table if suffix in form.suffixes), None)
