"""Files that a movie is read from are not replaced, in any folder and under any name."""

import os
from pathlib import Path

import numpy as np
import pytest
import zarr

from decrappify.errors import InputError, OutputError, OutputExistsError
from decrappify.io import open_movie, save_movie
from decrappify.io.store.locks import OutputLock, lock_path
from decrappify.movie import Movie

PIXELS = np.arange(2 * 8 * 9, dtype=np.uint16).reshape(2, 8, 9)


def write_ome_set(folder):
    """Write two OME-TIFF files of one frame each that refer to each other."""
    import tifffile

    files = [(f"f{i}.ome.tif", f"urn:uuid:0000000{i}-0000-4000-8000-000000000000") for i in range(2)]
    for own, (name, uuid) in enumerate(files):
        data = "".join(
            f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="{file}">{key}</UUID></TiffData>'
            for t, (file, key) in enumerate(files)
        )
        description = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="8" '
            'SizeZ="1" SizeC="1" SizeT="2"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
            f"{data}</Pixels></Image></OME>"
        )
        tifffile.imwrite(folder / name, PIXELS[own], description=description, metadata=None)
    return folder / "f0.ome.tif", folder / "f1.ome.tif"


def write_folder_of_links(folder):
    import tifffile

    (folder / "raw").mkdir()
    (folder / "links").mkdir()
    for t, plane in enumerate(PIXELS):
        tifffile.imwrite(folder / "raw" / f"{t}.ome.tif", plane)
        (folder / "links" / f"t{t}.tif").symlink_to(folder / "raw" / f"{t}.ome.tif")
    return folder / "links", folder / "raw" / "1.ome.tif"


def write_linked_store(folder):
    save_movie(Movie.from_array(PIXELS), folder / "raw.ome.zarr")
    (folder / "link.ome.zarr").mkdir()
    (folder / "link.ome.zarr" / "zarr.json").write_bytes((folder / "raw.ome.zarr" / "zarr.json").read_bytes())
    (folder / "link.ome.zarr" / "0").symlink_to(folder / "raw.ome.zarr" / "0")
    return folder / "link.ome.zarr", folder / "raw.ome.zarr"


def write_array(folder):
    save_movie(Movie.from_array(PIXELS), folder / "raw.ome.zarr")
    return zarr.open_array(folder / "raw.ome.zarr" / "0", mode="r"), folder / "raw.ome.zarr"


@pytest.mark.parametrize("write", [write_ome_set, write_folder_of_links, write_linked_store, write_array])
def test_save_movie_keeps_every_file_of_the_input(tmp_path, write):
    source, output = write(tmp_path)
    with open_movie(source) as movie, pytest.raises(InputError, match=r"(is a part of|contains) the input"):
        save_movie(movie[:1], output, overwrite=True)
    np.testing.assert_array_equal(np.asarray(open_movie(source))[:, 0, 0], PIXELS)


def test_save_movie_keeps_a_mapped_file(tmp_path):
    mapped = np.memmap(tmp_path / "raw.ome.tif", np.uint16, "w+", shape=PIXELS.shape)
    with pytest.raises(InputError, match="is the input itself"):
        save_movie(mapped, tmp_path / "raw.ome.tif", overwrite=True)


def test_save_movie_raises_for_a_dangling_link_before_it_reads(tmp_path):
    (tmp_path / "out.ome.tif").symlink_to("nowhere")
    with pytest.raises(OutputExistsError, match="already exists"):
        save_movie("missing.ome.tif", tmp_path / "out.ome.tif")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo] if hasattr(os, "mkfifo") else [Path.mkdir])
def test_output_lock_raises_for_a_folder_or_pipe_in_its_place(tmp_path, make):
    output = tmp_path / "out.ome.tif"
    make(lock_path(output))
    with pytest.raises(OutputError, match="is not a lock of decrappify"):
        OutputLock(output)
