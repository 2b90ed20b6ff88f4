"""Check `decrappify.io.opening.image_objects` with the real aicsimageio, in a separate environment.

aicsimageio 4.14 pins ``zarr<2.16`` and ``tifffile<2023.3.15``, so it cannot be installed with decrappify's other
dependencies. Run with any Python 3.11 or newer that has pip::

    python tests/compat/aicsimageio_check.py [--environment .venv-aicsimageio]

The first run creates the environment (about 750 MB, a few minutes); later runs take seconds. decrappify is installed
without its dependencies: the adapter needs numpy only, and pylibCZIrw writes the CZI files that aicsimageio reads. The
last line is ``all N checks passed``; otherwise the exit status is 1. If ``DECRAPPIFY_TEST_DATA`` is set, a real CZI
file in that folder is opened too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# numcodecs 0.16 removed functions that zarr 2.15 imports.
REQUIREMENTS = ("aicsimageio==4.14.0", "aicspylibczi>=3.2", "numcodecs<0.16", "pylibCZIrw>=5.1")
INSIDE = "--inside"


def main() -> int:
    """Create the environment if it is missing, and run the checks in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=REPOSITORY / ".venv-aicsimageio", help="where to install")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return run_checks()
    python = arguments.environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = arguments.environment / "ready.txt"
    wanted = "\n".join(REQUIREMENTS)
    if not ready.exists() or ready.read_text() != wanted:
        write_line(f"installing {', '.join(REQUIREMENTS)} into {arguments.environment}")
        venv.create(arguments.environment, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        ready.write_text(wanted)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(REPOSITORY)], check=True
    )
    return subprocess.run([python, "-W", "ignore", __file__, INSIDE], check=False, cwd=tempfile.gettempdir()).returncode


def run_checks() -> int:
    """Run every check in this interpreter and print the results."""
    from importlib.metadata import version

    packages = ("aicsimageio", "aicspylibczi", "tifffile", "zarr", "numcodecs", "numpy", "decrappify")
    write_line(", ".join(f"{name} {version(name)}" for name in packages))
    failures = 0
    checks = list(all_checks())
    for name, check in checks:
        try:
            check()
        except Exception as error:  # noqa: BLE001  # a failure of any kind must not prevent the other checks
            failures += 1
            write_line(f"FAILED {name}: {type(error).__name__}: {error}")
        else:
            write_line(f"passed {name}")
    write_line(f"{failures} of {len(checks)} checks failed" if failures else f"all {len(checks)} checks passed")
    return 1 if failures else 0


def all_checks() -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the name and function of each check."""
    yield "OME-TIFF written by aicsimageio", check_ome_tiff
    yield "OME-TIFF with other units", check_units
    yield "scenes of one file", check_scenes
    yield "color OME-TIFF", check_color
    yield "CZI movie", check_czi
    yield "color CZI", check_color_czi
    folder = os.environ.get("DECRAPPIFY_TEST_DATA")
    if folder:
        yield "real CZI with two scenes", lambda: check_real_czi(Path(folder) / "czi" / "xyz__multiple_images.czi")
    else:
        write_line("DECRAPPIFY_TEST_DATA is not set: no real CZI is opened")


def check_ome_tiff() -> None:
    """Check that axes, pixel size, channel names and pixels are preserved."""
    import numpy as np

    array = random_array((3, 2, 4, 21, 30))
    with tempfile.TemporaryDirectory() as folder:
        movie = opened(save(array, Path(folder) / "cells.ome.tiff"))
        expect("shape", movie.shape, array.shape)
        expect("dtype", movie.dtype, np.uint16)
        expect("channel names", movie.channel_names, ("GFP", "RFP"))
        expect("pixel size", movie.pixel_size_um, (0.5, 0.2, 0.1))
        expect("name", movie.name, "cells.ome.tiff")
        expect("one plane", (movie.frame(2, 1, 3) == array[2, 1, 3]).all(), True)
        expect("a region", (movie.region(1, 0, 2, slice(3, 9), slice(5, 6)) == array[1, 0, 2, 3:9, 5:6]).all(), True)
        expect("all pixels", (np.asarray(movie) == array).all(), True)


def check_units() -> None:
    """Check the conversion of nanometers and milliseconds, which the object itself does not convert."""
    import tifffile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.ome.tif"
        metadata = {"axes": "TYX", "PhysicalSizeX": 65, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 65}
        metadata |= {"PhysicalSizeYUnit": "nm", "TimeIncrement": 1500, "TimeIncrementUnit": "ms"}
        tifffile.imwrite(path, random_array((3, 9, 11)), ome=True, photometric="minisblack", metadata=metadata)
        movie = opened(path)
        expect("pixel size", movie.pixel_size_um, (None, 0.065, 0.065))
        expect("frame interval", movie.frame_interval_s, 1.5)


def check_scenes() -> None:
    """Check that a scene is selected by number or name, without changing the scene of the object."""
    import numpy as np
    from aicsimageio import AICSImage
    from aicsimageio.writers import OmeTiffWriter

    from decrappify.errors import InputError
    from decrappify.io.opening.image_objects import from_image_object

    arrays = [random_array((1, 1, 2, 9, 11), seed) for seed in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        OmeTiffWriter.save(arrays, str(Path(folder) / "cells.ome.tiff"), dim_order=["TCZYX"] * 2)
        image = AICSImage(str(Path(folder) / "cells.ome.tiff"))
        for scene in (1, image.scenes[1]):
            movie = from_image_object(image, scene=scene)
            expect("scene 1", (np.asarray(movie) == arrays[1]).all(), True)
        expect("the object's scene", image.current_scene_index, 0)
        expect("scene 0", (np.asarray(from_image_object(image)) == arrays[0]).all(), True)
        try:
            from_image_object(image, scene=2)
        except InputError as error:
            expect("one line", "\n" in str(error), False)
        else:
            raise AssertionError("scene 2 did not raise")


def check_color() -> None:
    """Check that samples become the channels R, G and B."""
    import numpy as np
    from aicsimageio.writers import OmeTiffWriter

    array = random_array((1, 1, 1, 21, 30, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "color.ome.tiff"
        OmeTiffWriter.save(array, str(path), dim_order="TCZYXS")
        movie = opened(path)
        expect("channel names", movie.channel_names, ("R", "G", "B"))
        expect("pixels", (np.asarray(movie)[0, :, 0] == np.moveaxis(array[0, 0, 0], -1, 0)).all(), True)


def check_real_czi(path: Path) -> None:
    """Check that a Z-stack with two scenes keeps its shape, scale and pixels."""
    import numpy as np
    from aicsimageio import AICSImage

    from decrappify.io.opening.image_objects import from_image_object

    image = AICSImage(str(path))
    movie = from_image_object(image, scene=1)
    expect("shape", movie.shape, (1, 1, 2, 251, 251))
    expect("pixel size", tuple(round(size or 0, 4) for size in movie.pixel_size_um), (0.3, 0.1956, 0.1956))
    expect("channel names", movie.channel_names, ("ChA",))
    image.set_scene(1)
    expect("pixels", (np.asarray(movie) == image.get_image_data("TCZYX")).all(), True)


def check_czi() -> None:
    """Check that a movie written by Zeiss's library keeps its axes, scale and pixels."""
    import numpy as np
    from pylibCZIrw import czi

    array = random_array((3, 2, 4, 21, 30))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.czi"
        with czi.create_czi(str(path)) as document:
            for t, c, z in np.ndindex(3, 2, 4):
                document.write(array[t, c, z, ..., np.newaxis], plane={"T": t, "C": c, "Z": z})
            names = {0: "GFP", 1: "RFP"}
            document.write_metadata("cells", scale_x=0.1e-6, scale_y=0.2e-6, scale_z=0.5e-6, channel_names=names)
        movie = opened(path)
        expect("channel names", movie.channel_names, ("GFP", "RFP"))
        expect("pixel size", tuple(round(size or 0, 6) for size in movie.pixel_size_um), (0.5, 0.2, 0.1))
        expect("one plane", (movie.frame(2, 1, 3) == array[2, 1, 3]).all(), True)
        expect("pixels", (np.asarray(movie) == array).all(), True)


def check_color_czi() -> None:
    """Check that a color image stored as B, G, R is read as R, G, B."""
    import numpy as np
    from pylibCZIrw import czi

    rgb = random_array((13, 17, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "color.czi"
        with czi.create_czi(str(path)) as document:
            document.write(np.ascontiguousarray(rgb[..., ::-1]), plane={"T": 0, "C": 0})
            document.write_metadata("color", scale_x=1e-6, scale_y=1e-6)
        movie = opened(path)
        expect("channel names", movie.channel_names, ("R", "G", "B"))
        for c in range(3):
            expect(f"channel {c}", (movie.frame(0, c) == rgb[..., c]).all(), True)


def save(array: Any, path: Path) -> Path:
    """Write (T, C, Z, Y, X) with aicsimageio's own writer."""
    from aicsimageio.types import PhysicalPixelSizes
    from aicsimageio.writers import OmeTiffWriter

    OmeTiffWriter.save(
        array,
        str(path),
        dim_order="TCZYX",
        channel_names=["GFP", "RFP"],
        physical_pixel_sizes=PhysicalPixelSizes(Z=0.5, Y=0.2, X=0.1),
    )
    return path


def opened(path: Path) -> Any:
    """Open with AICSImage and convert to a movie."""
    from aicsimageio import AICSImage

    from decrappify.io.opening.image_objects import from_image_object, is_image_object

    image = AICSImage(str(path))
    expect("is_image_object", is_image_object(image), True)
    return from_image_object(image)


def random_array(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Return reproducible uint16 noise."""
    import numpy as np

    return np.random.default_rng(seed).integers(0, 60000, shape, dtype=np.uint16)


def expect(name: str, found: Any, expected: Any) -> None:
    """Raise AssertionError if `found` does not equal `expected`."""
    if found != expected:
        raise AssertionError(f"{name} is {found!r}, expected {expected!r}")


def write_line(line: str) -> None:
    """Write a line to the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
