"""Complete image files of every supported kind, small enough to be damaged thousands of times."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np


def _pixels(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    return (np.random.default_rng(0).random(shape) * 200).astype(dtype)


def movie(*shape: int, dtype: Any = np.uint16) -> Any:
    """Create a movie with all metadata that a file can contain."""
    from decrappify.movie import Movie

    return Movie.from_array(
        _pixels(*shape, dtype=dtype),
        pixel_size_um=(0.5, 0.1, 0.1),
        frame_interval_s=2.0,
        channel_names=[f"C {c}µ" for c in range(shape[1])],
        channel_colors=["00FF00", "FF0000", None][: shape[1]],
        provenance={"restored": [{"software": "decrappify", "model": "tiny", "frames": "0:3"}]},
    )


def tiff_files(folder: Path) -> list[Path]:
    """Write OME-TIFF, ImageJ, LSM, STK, plain, compressed, tiled, BigTIFF, color, pyramid and ScanImage files."""
    import tifffile
    from tests.io.formats.tiff.tiff_files import imagej_text, ome_xml, pages_with, write_lsm, write_stk

    from decrappify.io import save_movie

    files = [save_movie(movie(3, 2, 2, 12, 14), folder / "own.ome.tif")]
    ij = {"unit": "um", "spacing": 0.5, "finterval": 1.5, "axes": "TZCYX", "Labels": [f"L{i}" for i in range(8)]}
    tifffile.imwrite(folder / "ij.tif", _pixels(2, 2, 2, 9, 11), imagej=True, resolution=(5, 5), metadata=ij)
    text = imagej_text(images=20, channels=2, frames=10, hyperstack="true", unit="um", finterval=0.5)
    pages_with(folder / "cut.tif", _pixels(7, 10, 12), text, resolution=(4, 4))
    sizes = {"VoxelSizeX": 2e-7, "VoxelSizeY": 2e-7, "VoxelSizeZ": 1e-6, "TimeIntervall": 1.5}
    write_lsm(folder / "a.lsm", _pixels(3, 3, 10, 12), names=["Ch1", "Ch2", "ChD"], **sizes)
    write_stk(folder / "a.stk", _pixels(3, 10, 12), unit="um", size=0.1625, step=0.5, interval=1.0)
    gray: dict[str, Any] = {"photometric": "minisblack"}
    tiles: dict[str, Any] = {"tile": (16, 16), "compression": "lzw", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(folder / "zip.tif", _pixels(3, 40, 48), compression="zlib", predictor=True, **gray)
    tifffile.imwrite(folder / "tiles.tif", _pixels(2, 64, 48), **tiles, **gray)
    tifffile.imwrite(folder / "big.tif", _pixels(3, 10, 12, dtype=np.float32), bigtiff=True, byteorder=">", **gray)
    tifffile.imwrite(folder / "rgb.tif", _pixels(12, 14, 3, dtype=np.uint8), photometric="rgb", resolution=(300, 300))
    tifffile.imwrite(
        folder / "jpeg.tif", _pixels(64, 64, 3, dtype=np.uint8), photometric="rgb", compression="jpeg", tile=(32, 32)
    )
    tifffile.imwrite(folder / "bits.tif", _pixels(16, 16) % 2 == 1, photometric="minisblack")
    with tifffile.TiffWriter(folder / "pyramid.ome.tif") as writer:
        levels: dict[str, Any] = {"tile": (32, 32), "photometric": "minisblack"}
        writer.write(_pixels(2, 64, 64), subifds=1, metadata={"axes": "CYX", "PhysicalSizeX": 0.5}, **levels)
        writer.write(_pixels(2, 32, 32), subfiletype=1, **levels)
    planes = [(t, 0, 0, "scenes.ome.tif", t) for t in range(2)]
    images = [
        {
            "name": "A1",
            "sizes": {"T": 2, "Y": 9, "X": 8},
            "pixels": {"PhysicalSizeX": "0.1", "TimeIncrement": "2"},
            "planes": planes,
        },
        {"name": "A2", "sizes": {"Y": 9, "X": 8}, "planes": [(0, 0, 0, "scenes.ome.tif", 2)]},
    ]
    note = (
        '<StructuredAnnotations><MapAnnotation ID="Annotation:0" Namespace="decrappify/provenance"><Value>'
        '<M K="restored">[{"a": 1}]</M></Value></MapAnnotation></StructuredAnnotations>'
    )
    xml = ome_xml(images, {"scenes.ome.tif": "1-2"}, "1-2", note)
    pages_with(folder / "scenes.ome.tif", _pixels(3, 9, 8), xml)
    scanimage = (
        "state.acq.frameRate=10\rstate.acq.numberOfChannelsSave=2\rstate.acq.zoomFactor=2\rstate.configName='a'\r"
    )
    pages_with(folder / "scanimage.tif", _pixels(4, 9, 8), scanimage)
    si = "SI.hChannels.channelSave = [1;2]\nSI.hStackManager.numSlices = 1\nSI.hRoiManager.scanFrameRate = 30.0\n"
    pages_with(folder / "si4.tif", _pixels(4, 9, 8), "frameNumbers = 1", software=si + "SI.VERSION_MAJOR = 2016\n")
    metamorph = (
        '<MetaData><PlaneInfo><prop id="spatial-calibration-x" type="float" value="0.325"/><prop '
        'id="spatial-calibration-y" type="float" value="0.325"/><prop '
        'id="spatial-calibration-units" type="string" value="um"/><prop '
        'id="acquisition-time-local" type="time" value="20200101 10:00:00.0"/></PlaneInfo></MetaData>'
    )
    pages_with(folder / "metaseries.tif", _pixels(2, 9, 8), metamorph)
    return sorted(path for path in folder.iterdir() if path.is_file()) or files


def tiff_sets(folder: Path) -> list[Path]:
    """Write recordings as Micro-Manager stacks, NDTiff, OME-TIFF with a companion file, and files of an OME set."""
    from tests.io.formats.tiff.tiff_files import ome_xml, pages_with, write_mmstack, write_ndtiff

    summary = {
        "Prefix": "rec", "Frames": 3, "Channels": 2, "Slices": 1, "Positions": 2, "PixelSize_um": 0.16,
        "z-step_um": 0.5, "ChNames": ["DAPI", "GFP"], "ChColors": [-16776961, -16711936], "Interval_ms": 500,
        "SlicesFirst": True, "StagePositions": [{"Label": "B3"}, {"Label": "B4"}],
    }  # fmt: skip
    planes = {(c, 0, t, r): _pixels(5, 6) for r in range(2) for t in range(3) for c in range(2)}
    (folder / "mm").mkdir()
    write_mmstack(folder / "mm" / "rec_MMStack_Pos0.tif", planes, summary, step_ms=500)
    (folder / "open").mkdir()
    one = {key: value for key, value in planes.items() if key[3] == 0}
    write_mmstack(folder / "open" / "rec_MMStack_Pos0.tif", one, summary | {"Positions": 1}, closed=False)
    nd = {(("time", t), ("channel", c)): _pixels(5, 6) for t in range(3) for c in ("DAPI", "GFP")}
    write_ndtiff(folder / "nd", nd, summary, step_ms=400)
    (folder / "set").mkdir()
    names = {f"T{t}.ome.tif": f"{t}-{t}" for t in range(3)}
    listed = [(t, 0, 0, f"T{t}.ome.tif", 0) for t in range(3)]
    xml = [{"name": "x", "sizes": {"T": 3, "Y": 9, "X": 8}, "planes": listed}]
    for name, uuid in names.items():
        pages_with(folder / "set" / name, _pixels(1, 9, 8), ome_xml(xml, names, uuid))
    (folder / "companion").mkdir()
    whole = ome_xml([xml[0] | {"planes": [(t, 0, 0, "a.ome.tif", t) for t in range(3)]}], {"a.ome.tif": "1-1"}, "9-9")
    (folder / "companion" / "a.companion.ome").write_text(whole)
    pointer = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1-1"><BinaryOnly '
        'MetadataFile="a.companion.ome" UUID="urn:uuid:9-9"/></OME>'
    )
    pages_with(folder / "companion" / "a.ome.tif", _pixels(3, 9, 8), pointer)
    return sorted(folder.iterdir())


def to_open(source: Path) -> str:
    """Return the file of a folder to open; empty for the folder itself."""
    if source.name in ("mm", "open", "set", "companion"):
        return next(path.name for path in sorted(source.iterdir()) if path.suffix == ".tif")
    return ""


def czi_files(folder: Path) -> list[Path]:
    """Write CZI files with scenes, a mosaic, color, other dimensions and missing planes."""
    from pylibCZIrw import czi
    from tests.io.formats.czi.czi_files import rename_dimension, write_planes

    gray = {(s, t, c, 0): _pixels(6, 8) for s in range(2) for t in range(3) for c in range(2)}
    write_planes(folder / "scenes.czi", gray)
    write_planes(folder / "gaps.czi", {(0, t, c, 0): _pixels(6, 8) for t, c in ((0, 0), (0, 1), (2, 0))})
    write_planes(folder / "views.czi", {(0, t, c, 0): _pixels(6, 8) for t in range(2) for c in range(3)})
    rename_dimension(folder / "views.czi", "T", "V")
    with czi.create_czi(str(folder / "color.czi")) as document:
        document.write(_pixels(9, 10, 3, dtype=np.uint8), plane={"T": 0, "C": 0, "Z": 0})
        names = {0: "GFP"}
        document.write_metadata("cells", channel_names=names, scale_x=1e-7, scale_y=1e-7, scale_z=5e-7)
    with czi.create_czi(str(folder / "mosaic.czi"), compression_options="zstd1:") as document:
        for number in range(3):
            document.write(_pixels(12, 12), plane={"T": 0, "C": 0, "Z": 0}, location=(10 * number, 0))
        document.write_metadata("cells", channel_names={0: "GFP"}, scale_x=1e-7, scale_y=1e-7)
    return sorted(folder.iterdir())


def zarr_stores(folder: Path) -> list[Path]:
    """Write decrappify's stores, images of version 0.4 and 0.5, plates, bioformats2raw folders and plain arrays."""
    import zarr
    from tests.io.formats.omezarr.zarr_files import group, image, plate

    from decrappify.io import save_movie

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_movie(movie(2, 2, 1, 12, 14), folder / "own.ome.zarr")
        units = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
        omero = {"channels": [{"label": "GFP", "color": "00FF00", "window": {"start": 0, "end": 9}}]}
        image(
            folder / "v4.zarr", _pixels(2, 1, 8, 9), "tcyx", "0.4", units=units, scale=[2.0, 1, 0.1, 0.1], omero=omero
        )
        image(folder / "v5.zarr", _pixels(2, 8, 9, dtype=np.float32), "zyx", "0.5", units=units, scale=[0.5, 0.1, 0.1])
        plate(folder / "plate.zarr", {"B/03": ["0", "1"], "B/04": ["0"]}, "0.4")
        raw = group(folder / "raw.zarr", {"bioformats2raw.layout": 3}, "0.4")
        group(raw / "OME", {"series": ["0", "1"]}, "0.4")
        (raw / "OME" / "METADATA.ome.xml").write_text('<OME><Image Name="a"/><Image Name="b"/></OME>')
        for number in range(2):
            image(raw / str(number), _pixels(5, 6, dtype=np.uint8), "yx", "0.4")
        zarr.create_array(folder / "plain.zarr", data=_pixels(3, 8, 9), chunks=(1, 8, 9), dimension_names=list("tyx"))
    return sorted(folder.iterdir())


def compressed_stores(folder: Path) -> list[Path]:
    """Write plain arrays of Zarr 2 and 3 with several codecs, some in shards."""
    import numcodecs
    import zarr
    from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

    pixels = _pixels(2, 24, 25)
    v2 = {"blosc": numcodecs.Blosc(), "lz4": numcodecs.LZ4(), "zstd": numcodecs.Zstd(), "zlib": numcodecs.Zlib()}
    for name, compressor in v2.items():
        zarr.create_array(
            folder / f"{name}2.zarr", data=pixels, chunks=(1, 24, 25), zarr_format=2, compressors=compressor,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )  # fmt: skip
    v3 = {f"blosc-{name}": BloscCodec(cname=name) for name in ("blosclz", "lz4", "zlib", "zstd")}
    for name, codec in {**v3, "gzip": GzipCodec(), "zstd": ZstdCodec()}.items():
        for shards in (None, (1, 24, 25)):
            zarr.create_array(
                folder / f"{name}{'-shards' if shards else ''}.zarr", data=pixels, chunks=(1, 8, 25) if shards else
                (1, 24, 25), shards=shards, compressors=codec, dimension_names=list("tyx"),
            )  # fmt: skip
    return sorted(folder.iterdir())


def image_files(folder: Path) -> list[Path]:
    """Write PNG files of every depth, JPEG files with an orientation, and BMP files."""
    import imagecodecs
    from PIL import Image, PngImagePlugin

    for name, array in (("gray8", _pixels(9, 11, dtype=np.uint8)), ("rgb8", _pixels(9, 11, 3, dtype=np.uint8))):
        Image.fromarray(array).save(folder / f"{name}.png")
        Image.fromarray(array).save(folder / f"{name}.bmp")
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010E] = "cells"
        Image.fromarray(array).save(folder / f"{name}.jpg", exif=exif)
    (folder / "rgb16.png").write_bytes(imagecodecs.png_encode(_pixels(9, 11, 3)))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Description", "cells " * 20, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(_pixels(9, 11, dtype=np.uint8)).convert("P").save(folder / "palette.png", pnginfo=notes, exif=exif)
    Image.fromarray(_pixels(9, 11, dtype=np.uint8) > 100).save(folder / "bits.png")
    Image.fromarray(_pixels(32, 40, 3, dtype=np.uint8)).save(folder / "progressive.jpg", progressive=True)
    return sorted(folder.iterdir())


def folders(folder: Path) -> list[Path]:
    """Write folders that are movies, scenes or images by the names of their files."""
    import tifffile
    from PIL import Image

    for name, names in {
        "frames": [f"img_{t:03}.png" for t in range(4)],
        "labels": [f"a_t{t}_c{c}_z{z}.tif" for t in range(2) for c in range(2) for z in range(2)],
        "wells": [f"B0{w}_s1_t{t}.tif" for w in (2, 3) for t in range(2)],
        "images": ["cat.jpg", "dog.jpg", "cells.png"],
    }.items():
        (folder / name).mkdir()
        for file in names:
            path = folder / name / file
            if path.suffix == ".tif":
                tifffile.imwrite(path, _pixels(8, 9))
            else:
                Image.fromarray(_pixels(8, 9, dtype=np.uint8)).save(path)
    return sorted(folder.iterdir())
