"""Images opened by other libraries: aicsimageio's ``AICSImage`` and its successor, bioio's ``BioImage``.

Both are recognized by their methods, so neither package is imported here. aicsimageio cannot share an environment
with zarr 3; decrappify must then be installed into its environment, and the opened object passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from decrappify.errors import InputError
from decrappify.io.scene_names import scene_index, unique_names
from decrappify.io.units import to_micrometers, to_seconds
from decrappify.movie import Movie, PixelSize

_RGB = ("R", "G", "B")


def is_image_object(obj: object) -> bool:
    """Return whether `obj` is an opened ``AICSImage`` or ``BioImage``, or has the same methods."""
    return callable(getattr(obj, "get_image_dask_data", None)) and callable(getattr(obj, "set_scene", None))


def from_image_object(obj: Any, *, scene: int | str | None = None, frame_interval_s: float | None = None) -> Movie:
    """Wrap an opened ``AICSImage`` or ``BioImage``; pixels are read through its dask array, one plane at a time.

    Color samples (its axis ``S``) become channels R, G, B; transparency is dropped. A color CZI is read into memory,
    since both libraries return wrong colors otherwise; `open_czi` reads it lazily. Sizes in nanometers, milliseconds
    and the like in an OME file are converted: the objects themselves return them without their unit.

    Parameters
    ----------
    obj : AICSImage or BioImage
        The opened image; its current scene does not change.
    scene : int or str, optional
        Scene number or name; the object's current scene by default.
    frame_interval_s : float, optional
        Seconds between frames, for files without it in the reader (in aicsimageio all except OME).

    Returns
    -------
    Movie
        (T, C, Z, Y, X) of the file's dtype.

    Raises
    ------
    InputError
        If the scene does not exist, or the object lacks the methods that both libraries provide.
    """
    if not is_image_object(obj):
        raise InputError(
            f"{type(obj).__name__} is not an opened image, expected an AICSImage, a BioImage, an array or a path"
        )
    with _on_scene(obj, scene):
        pixels, n_samples = _pixels(obj)
        pixel_size, interval = _scale(obj)
        names = _channel_names(obj, pixels.shape[1] // n_samples, n_samples)
    return Movie.from_array(
        pixels,
        axes="TCZYX",
        name=_name(obj),
        pixel_size_um=pixel_size,
        frame_interval_s=interval if frame_interval_s is None else frame_interval_s,
        channel_names=names,
    )


@contextmanager
def _on_scene(obj: Any, scene: int | str | None) -> Iterator[None]:
    if scene is None:
        yield
        return
    names = list(obj.scenes)
    number = scene_index(scene, unique_names([str(name) for name in names]), _name(obj))
    before, before_number = obj.current_scene, getattr(obj, "current_scene_index", None)
    # By name, which every version accepts, except if a name is repeated.
    obj.set_scene(names[number] if names.count(names[number]) == 1 else number)
    try:
        yield
    finally:
        obj.set_scene(before if names.count(before) == 1 or before_number is None else before_number)


def _pixels(obj: Any) -> tuple[Any, int]:
    """Return the lazy (T, C, Z, Y, X) array, and the number of color samples of each channel on its C axis."""
    if "S" not in str(getattr(getattr(obj, "dims", None), "order", "")):
        return obj.get_image_dask_data("TCZYX"), 1
    # Of a color CZI, aicsimageio 4.14 and bioio-czi 3.0 return blue three times lazily, and B, G, R in memory.
    is_czi = "czi" in type(getattr(obj, "reader", None)).__module__
    pixels = obj.get_image_data("TCZYXS") if is_czi else obj.get_image_dask_data("TCZYXS")
    n_t, n_c, n_z, n_y, n_x, n_samples = pixels.shape
    if n_samples in (2, 4):  # gray or color with transparency
        n_samples -= 1
        pixels = pixels[..., :n_samples]
    if is_czi:
        pixels = pixels[..., ::-1]
    return pixels.transpose(0, 1, 5, 2, 3, 4).reshape(n_t, n_c * n_samples, n_z, n_y, n_x), n_samples


def _channel_names(obj: Any, n_channels: int, n_samples: int) -> list[str] | None:
    names = [str(name) for name in getattr(obj, "channel_names", None) or ()]
    if n_samples > 1:
        samples = _RGB if n_samples == 3 else tuple(f"S{i}" for i in range(n_samples))
        prefixes = [""] if n_channels == 1 else [f"{name} " for name in names or map("C{}".format, range(n_channels))]
        names = [prefix + sample for prefix in prefixes for sample in samples]
    return names if len(names) == n_channels * n_samples else None


def _scale(obj: Any) -> tuple[PixelSize, float | None]:
    ome = _ome_pixels(obj)
    if ome is not None:
        z, y, x = (to_micrometers(*ome_size(ome, axis)) for axis in "ZYX")
        return (z, y, x), to_seconds(*ome_size(ome, "T"))
    given = getattr(obj, "physical_pixel_sizes", None)
    z, y, x = (_micrometers(obj, axis, getattr(given, axis, None)) for axis in "ZYX")
    return (z, y, x), _seconds(obj, getattr(obj, "time_interval", None))


def _ome_pixels(obj: Any) -> Any | None:
    """Return the ``Pixels`` element of the current scene, if the object's metadata is a parsed OME model."""
    images = getattr(getattr(obj, "metadata", None), "images", None)
    index = getattr(obj, "current_scene_index", None)
    if not images or index is None or index >= len(images):
        return None
    return getattr(images[index], "pixels", None)


def ome_size(ome: Any, axis: str) -> tuple[float | None, str | None]:
    """Return the number and unit that the ``Pixels`` element of an OME model states for T, Z, Y or X."""
    attribute = "time_increment" if axis == "T" else f"physical_size_{axis.lower()}"
    return getattr(ome, attribute, None), _unit(ome, f"{attribute}_unit")


def _unit(ome: Any, attribute: str) -> str | None:
    unit = getattr(ome, attribute, None)
    return None if unit is None else str(getattr(unit, "value", unit))


def _micrometers(obj: Any, axis: str, size: Any) -> float | None:
    # Readers without units use micrometers.
    return to_micrometers(size, _axis_unit(obj, axis) or "um")


def _seconds(obj: Any, interval: Any) -> float | None:
    if isinstance(interval, timedelta):
        return interval.total_seconds()
    return to_seconds(interval, _axis_unit(obj, "T") or "s")


def _axis_unit(obj: Any, axis: str) -> str | None:
    unit = getattr(getattr(getattr(obj, "dimension_properties", None), axis, None), "unit", None)
    return None if unit is None else str(unit)


def _name(obj: Any) -> str:
    uri = getattr(obj, "uri", None) or getattr(getattr(obj, "reader", None), "_path", None)
    return Path(str(uri)).name if uri else type(obj).__name__
