"""TIFF files in the published layouts of microscope programs, with tiny images."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tifffile import TIFF

_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


def ramp(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    """Return an array of distinct values."""
    return (np.arange(np.prod(shape)) + 1).reshape(shape).astype(dtype)


def write_lsm(path: Path, pixels: np.ndarray, **info: Any) -> Path:
    """Write a Zeiss LSM of (T, C, Y, X), with a thumbnail after each page; `info` sets fields of CZ_LSMINFO."""
    n_t, n_c, n_y, n_x = pixels.shape
    record = np.zeros(1, np.dtype(TIFF.CZ_LSMINFO).newbyteorder("<"))
    fields = {
        "MagicNumber": 67127628, "StructureSize": record.itemsize, "DimensionX": n_x, "DimensionY": n_y,
        "DimensionZ": 1, "DimensionChannels": n_c, "DimensionTime": n_t, "DataType": 1, "ScanType": 3,
    }  # fmt: skip
    names = info.pop("names", None)
    for name, value in (fields | info).items():
        record[name] = value
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        for t in range(n_t):
            tags = [(34412, 7, record.nbytes, record.tobytes(), True)] if t == 0 else []
            writer.write(
                pixels[t], planarconfig="separate", photometric="minisblack", metadata=None, extratags=tags,
                subfiletype=0, software=False, contiguous=False,
            )  # fmt: skip
            writer.write(
                np.zeros((4, 5, 3), np.uint8), photometric="rgb", subfiletype=1, metadata=None, software=False,
                contiguous=False,
            )  # fmt: skip
    if names:
        _append_lsm_names(path, names)
    return path


def _append_lsm_names(path: Path, names: list[str]) -> None:
    colors = b"".join(bytes(color) for color in [(0, 255, 0, 0), (255, 0, 0, 0), (0, 0, 255, 0)][: len(names)])
    texts = b"".join(struct.pack("<I", len(name) + 1) + name.encode() + b"\0" for name in names)
    size = 40 + len(colors) + len(texts)
    header = struct.pack("<IIIIII", size, len(names), len(names), 40, 40 + len(colors), 0) + bytes(16)
    with tifffile.TiffFile(path) as file:
        at = file.pages.first.tags[34412].valueoffset
    offset_field = np.dtype(TIFF.CZ_LSMINFO).fields["OffsetChannelColors"][1]
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        file.write(header + colors + texts)
        file.seek(at + offset_field)
        file.write(struct.pack("<I", end))


class _Ifds:
    """Writer of TIFF pages of 13 tags, each followed by its pixels, as Micro-Manager writes them."""

    def __init__(self, path: Path, head: bytes) -> None:
        self._file = path.open("wb")
        self._file.write(b"II*\0" + struct.pack("<I", 0) + head)
        self._link = 4
        self.offsets: list[int] = []

    def page(self, pixels: np.ndarray, metadata: dict[str, Any], description: str = "") -> int:
        file = self._file
        file.write(b"\0" * (file.tell() % 2))
        offset = file.tell()
        height, width = pixels.shape
        text, info = description.encode() + b"\0", json.dumps(metadata).encode() + b"\0"
        data_at = offset + 162
        text_at = data_at + pixels.nbytes
        info_at = text_at + len(text)
        tags = [
            (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, pixels.itemsize * 8), (259, 3, 1, 1), (262, 3, 1, 1),
            (270, 2, len(text), text_at), (273, 4, 1, data_at), (277, 3, 1, 1), (278, 4, 1, height),
            (279, 4, 1, pixels.nbytes), (296, 3, 1, 1), (339, 3, 1, 1), (51123, 2, len(info), info_at),
        ]  # fmt: skip
        if len(text) <= 4:
            tags[5] = (270, 2, len(text), int.from_bytes(text.ljust(4, b"\0"), "little"))
        file.write(struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4))
        file.write(pixels.astype("<" + pixels.dtype.str[1:]).tobytes() + text + info)
        end = file.tell()
        file.seek(self._link)
        file.write(struct.pack("<I", offset))
        file.seek(end)
        self._link = offset + 2 + 12 * len(tags)
        self.offsets.append(offset)
        return offset

    def close(self, patch: dict[int, bytes] | None = None, tail: bytes = b"") -> None:
        self._file.write(tail)
        for at, data in (patch or {}).items():
            self._file.seek(at)
            self._file.write(data)
        self._file.close()


def write_mmstack(
    path: Path,
    planes: dict[tuple[int, int, int, int], np.ndarray],
    summary: dict[str, Any],
    step_ms: float = 0.0,
    *,
    closed: bool = True,
) -> Path:
    """Write a Micro-Manager image stack of planes by (channel, slice, frame, position), without OME-XML.

    The index, and the end of the chain of pages, are written only if the file is `closed`.
    """
    info = json.dumps({"MicroManagerVersion": "2.0.0", **summary}).encode()
    head = struct.pack("<IIIIII", 54773648, 0, 0, 0, 0, 0) + struct.pack("<II", 2355492, len(info)) + info
    file = _Ifds(path, head)
    rows = []
    for (c, z, t, r), pixels in planes.items():
        metadata = {"PixelSizeUm": summary.get("PixelSize_um", 0), "ElapsedTime-ms": t * step_ms, "Frame": t}
        rows.append((c, z, t, r, file.page(pixels, metadata)))
    at = file._file.tell()
    if not closed:
        file.close({file._link: struct.pack("<I", at)})
        return path
    index = struct.pack("<II", 3453623, len(rows)) + np.array(rows, "<u4").tobytes()
    file.close({12: struct.pack("<I", at)}, index)
    return path


def write_ndtiff(
    folder: Path, planes: dict[tuple[tuple[str, Any], ...], np.ndarray], summary: dict[str, Any], step_ms: float = 0.0
) -> Path:
    """Write an NDTiff 3 data set of planes by axes such as ``(("time", 0), ("channel", "GFP"))``; return its file."""
    info = json.dumps(summary).encode()
    name = f"{folder.name}_NDTiffStack.tif"
    folder.mkdir()
    head = struct.pack("<IIIII", 483729, 3, 3, 2355492, len(info)) + info
    file, index = _Ifds(folder / name, head), b""
    for axes, pixels in planes.items():
        metadata = {"PixelSizeUm": summary.get("PixelSize_um"), "ElapsedTime-ms": dict(axes).get("time", 0) * step_ms}
        offset = file.page(pixels, metadata)
        text, info = json.dumps(dict(axes)).encode(), json.dumps(metadata).encode()
        index += struct.pack("<I", len(text)) + text + struct.pack("<I", len(name)) + name.encode()
        data_at = offset + 162
        kind = {1: 0, 2: 1}[pixels.itemsize]
        index += struct.pack(
            "<IiiiiIii", data_at, pixels.shape[1], pixels.shape[0], kind, 0, data_at + pixels.nbytes + 1, len(info), 0
        )
    file.close()
    (folder / "NDTiff.index").write_bytes(index)
    return folder / name


def write_stk(
    path: Path, pixels: np.ndarray, *, unit: str, size: float, step: float, interval: float, wavelength: int = 525
) -> Path:
    """Write a MetaMorph stack of planes in one page, with UIC1 to UIC3 tags."""
    n, million = len(pixels), 1_000_000
    blank = [(33628, 4, 4, bytes(16), True), *((code, 5, n, bytes(8 * n), True) for code in (33629, 33630))]
    tifffile.imwrite(path, pixels[0], byteorder="<", metadata=None, software=False, extratags=blank)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        at, fields = page.dataoffsets[0], {code: page.tags[code].offset for code in (33628, 33629, 33630)}
    text = unit.encode() + b"\0"
    length = struct.pack("<2I", int(size * million), million)
    uic2 = b"".join(
        struct.pack("<6I", int(step * million), million, 2455000, int(1000 + i * interval * 1000), 2455000, 1000)
        for i in range(n)
    )
    with path.open("r+b") as file:
        file.truncate(at)
        file.seek(at)
        file.write(pixels.astype("<u2").tobytes())
        place = file.tell()
        file.write(length + struct.pack("<I", len(text)) + text)
        uic1 = struct.pack("<8I", 3, 1, 4, place, 5, place, 6, place + 8)
        for code, count, data in (
            (33628, 4, uic1), (33629, n, uic2), (33630, n, struct.pack("<2I", wavelength, 1) * n),
        ):  # fmt: skip
            start = file.seek(0, 2)
            file.write(data)
            file.seek(fields[code] + 4)
            file.write(struct.pack("<2I", count, start))
    return path


def imagej_text(**fields: Any) -> str:
    """Return the description of an ImageJ file."""
    return "ImageJ=1.54f\n" + "".join(f"{key}={value}\n" for key, value in fields.items())


def ome_xml(images: list[dict[str, Any]], files: dict[str, str], uuid: str | None = None, annotations: str = "") -> str:
    """Return OME-XML; `files` are UUIDs by file name.

    Each image has ``name``, ``sizes`` by axis, ``pixels`` (attributes), ``channels``, and ``planes``: (t, c, z, file,
    ifd) each.
    """
    text = []
    for number, image in enumerate(images):
        sizes = {"T": 1, "C": 1, "Z": 1} | image["sizes"]
        attributes = {f"Size{axis}": size for axis, size in sizes.items()} | image.get("pixels", {})
        blocks = [
            f'<Channel ID="Channel:{number}:{c}" Name="{name}" SamplesPerPixel="1"/>'
            for c, name in enumerate(image.get("channels", ["C"] * sizes["C"]))
        ]
        for t, c, z, file, ifd in image["planes"]:
            blocks.append(
                f'<TiffData FirstT="{t}" FirstC="{c}" FirstZ="{z}" IFD="{ifd}" PlaneCount="1">'
                f'<UUID FileName="{file}">urn:uuid:{files[file]}</UUID></TiffData>'
            )
        pairs = " ".join(f'{key}="{value}"' for key, value in attributes.items())
        text.append(
            f'<Image ID="Image:{number}" Name="{image["name"]}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" '
            f'Type="uint16" {pairs}>{"".join(blocks)}</Pixels></Image>'
        )
    own = f' UUID="urn:uuid:{uuid}"' if uuid else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
        f"{own}>{''.join(text)}{annotations}</OME>"
    )


def pages_with(path: Path, pages: np.ndarray, description: str | None, **options: Any) -> Path:
    """Write pages with this description on the first one."""
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            writer.write(
                page, photometric="minisblack", metadata=None, contiguous=False,
                description=description if number == 0 else None, **options,
            )  # fmt: skip
    return path


def rename_tag(path: Path, code: int, to: int) -> Path:
    """Replace the code of a tag in every page that has it; tifffile does not write some codes."""
    with tifffile.TiffFile(path) as file:
        offsets = [page.tags[code].offset for page in file.pages if code in page.tags]
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(struct.pack("<H", to))
    return path


def mm_planes(n_t: int = 3, n_positions: int = 1) -> dict[tuple[int, int, int, int], np.ndarray]:
    return {
        (c, 0, t, r): ramp(5, 6) + 100 * r + 10 * t + 1000 * c
        for t in range(n_t) for r in range(n_positions) for c in range(2)
    }  # fmt: skip


MM_SUMMARY: dict[str, Any] = {
    "Prefix": "rec_1", "Frames": 3, "Channels": 2, "Slices": 1, "Positions": 1, "PixelSize_um": 0.16,
    "ChNames": ["DAPI", "GFP"], "ChColors": [255, -16711936], "Interval_ms": 0.0, "z-step_um": 0.5,
}  # fmt: skip


def nd_planes() -> dict[tuple[tuple[str, Any], ...], np.ndarray]:
    return {
        (("time", t), ("channel", name)): ramp(5, 6) + 10 * t + 1000 * c
        for t in range(3) for c, name in enumerate(["DAPI", "GFP"])
    }  # fmt: skip
