from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from decrappify._version import RELEASE
from decrappify.colorization import Colorizer, colorize
from decrappify.colorization.chroma import gray_of, luma_of, merge_luma
from decrappify.errors import DeviceMemoryError, InputError
from decrappify.inference.options import InferenceOptions
from decrappify.model import Model
from decrappify.networks import NetworkSpec, RestorationNetwork, create
from decrappify.networks.shapes import shapes_only
from decrappify.normalization import IMAGENET

pytestmark = pytest.mark.cpu_sensitive

CARD = {"task": "colorization", "preset": "own"}


class Orange(RestorationNetwork):
    """A network that predicts one color for any source; runs out of memory above `limit` pixels in one batch."""

    def __init__(self, limit: int = 10**9, error: Exception | None = None) -> None:
        super().__init__()
        self.spec = NetworkSpec(n_frames=1, in_channels=3, out_channels=3)
        self.limit, self.error = limit, error or torch.OutOfMemoryError("CUDA out of memory")
        self.architecture: dict[str, object] = {"name": "orange"}
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, source):
        if source.shape[0] * source.shape[2] * source.shape[3] > self.limit:
            raise self.error
        prediction = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
        return ((prediction - mean) / std).expand_as(source)


def colorizer_of(network, **settings):
    return Colorizer(
        Model(network, IMAGENET, card=CARD), inference=InferenceOptions(device="cpu", precision="float32"), **settings
    )


@pytest.fixture(scope="module")
def artistic(recipe):
    with shapes_only():
        network = create("deoldify-artistic")
    state = {key: torch.from_numpy(value) for key, value in recipe.load_state("artistic").items()}
    network.load_state_dict(state, assign=True)
    return Model(network, IMAGENET, card={"task": "colorization", "preset": "artistic"})


@pytest.mark.slow
def test_colorize_equals_the_original_filter(artistic, parity):
    """Tolerate the rounding of a few truncated levels: even in float64, two of the 49152 differ from the fixture."""
    fixture = {name: np.load(parity / f"filter_{name}.npy") for name in ("input_rgb", "rf8_raw", "rf8_final")}
    expected_square = np.load(parity / "filter_rf8_model_output_rgb.npy")
    colorizer = Colorizer(artistic, render_factor=8, inference=InferenceOptions(device="cpu", precision="float32"))
    square = colorizer.color_of([fixture["input_rgb"]])[0]
    differing = np.abs(square.astype(int) - expected_square)
    assert differing.max() <= 1
    assert (differing > 0).mean() < 1e-3
    np.testing.assert_array_equal(colorizer.finish(fixture["input_rgb"], expected_square), fixture["rf8_final"])
    final = colorize(
        fixture["input_rgb"],
        model=artistic,
        render_factor=8,
        inference=InferenceOptions(device="cpu", precision="float32"),
    )
    differing = np.abs(final.astype(int) - fixture["rf8_final"])
    assert differing.max() <= 2
    assert (differing > 0).mean() < 1e-3


def test_network_source_equals_that_of_the_original(parity):
    sources = []
    colorizer = colorizer_of(Orange(), render_factor=8)
    hook = colorizer.network._network.register_forward_pre_hook(lambda _, inputs: sources.append(inputs[0]))
    colorizer.color_of([np.load(parity / "filter_input_rgb.npy")])
    hook.remove()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    gray = ((sources[0] * std + mean) * 255).round()[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(gray, np.load(parity / "filter_rf8_model_input_rgb.npy"))


def test_colorizer_equals_its_steps(color_model, colorizer, photo):
    small = np.asarray(Image.fromarray(photo).resize((64, 64), Image.Resampling.BILINEAR))
    unit = torch.from_numpy(gray_of(small)).float()[None, None] / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    with torch.inference_mode():
        levels = ((color_model.network((unit - mean) / std) * std + mean).clamp(0, 1) * 255)[0].permute(1, 2, 0)
    (square,) = colorizer.color_of([photo])
    assert (square.shape, square.dtype) == ((64, 64, 3), np.uint8)
    assert np.abs(square - levels.numpy()).max() < 1.001  # truncated, not rounded
    assert (square <= levels.numpy() + 1e-3).all()
    raw = np.asarray(Image.fromarray(square).resize((90, 60), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(colorizer.finish(photo, square), merge_luma(photo, raw))
    np.testing.assert_array_equal(colorizer(photo), colorizer.finish(photo, square))


def test_colorizer_adds_color_and_keeps_luma(photo):
    colored = colorizer_of(Orange(), render_factor=4)(photo)
    red, green, blue = (colored[..., channel].astype(int) for channel in range(3))
    assert (red > green).mean() > 0.9
    assert (green > blue).mean() > 0.9
    inside = ((colored > 0) & (colored < 255)).all(axis=2)
    assert np.abs(luma_of(colored) - luma_of(photo))[inside].max() <= 1


class Diverged(Orange):
    """A network that predicts NaN in one pixel."""

    def forward(self, source):
        prediction = super().forward(source).clone()
        prediction[..., 0, 0] = float("nan")
        return prediction


def test_colorizer_raises_if_a_network_predicts_nan(photo):
    with pytest.raises(InputError, match=r"predicted NaN or infinity from an image; use precision='float32'"):
        colorizer_of(Diverged(), render_factor=4)(photo)


def test_color_of_accepts_images_of_several_sizes(colorizer, photo):
    images = [photo, photo[:31, :17], np.ascontiguousarray(photo[::-1])]
    for image, square in zip(images, colorizer.color_of(images), strict=True):
        alone = colorizer.color_of([image])[0]
        assert np.abs(square.astype(int) - alone).max() <= 1
    assert colorizer.color_of([]) == []


@pytest.mark.parametrize("shape", [(60, 90), (1, 1), (3, 200), (7, 5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colorizer_accepts_any_size_and_depth(colorizer, shape, dtype, rng):
    image = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    colored = colorizer(image)
    assert (colored.shape, colored.dtype) == ((*shape[:2], 3), dtype)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)]
)
def test_colorizer_rejects_arrays_that_are_not_images(colorizer, image):
    with pytest.raises(InputError, match=r"cannot be colorized, expected \(Y, X\) or \(Y, X, 3\), uint8 or uint16"):
        colorizer(image)


@pytest.mark.parametrize(
    ("card", "preset", "expected"),
    [("artistic", None, 35), ("video", None, 21), ("artistic", "video", 21), ("own", None, 21), ("unknown", None, 21)],
)
def test_render_factor_follows_the_preset(card, preset, expected):
    model = Model(Orange(), IMAGENET, card=CARD | {"preset": card})
    assert Colorizer(model, inference=InferenceOptions(device="cpu"), preset=preset).render_factor == expected


@pytest.mark.parametrize(
    ("card", "preset", "expected"),
    [
        ({"patch_size": 64}, None, (4, [4, 6, 8])),
        ({"patch_size": 64}, "video", (21, [12, 12, 21])),
        ({"preset": "artistic", "patch_size": 64}, None, (35, [12, 12, 40])),
        ({"patch_size": "large"}, None, (21, [12, 12, 40])),
        ({"patch_size": 8}, None, (2, [2, 4, 4])),
        ({"patch_size": 3200}, None, (200, [200, 200, 200])),
    ],
)
def test_render_factor_of_an_own_model_is_that_of_its_training(card, preset, expected):
    model = Model(Orange(), IMAGENET, card=CARD | {"preset": "own"} | card)
    cpu = InferenceOptions(device="cpu")
    automatic = Colorizer(model, render_factor="auto", inference=cpu, preset=preset)
    found = [automatic.render_factor_for((side, side)) for side in (30, 96, 2000)]
    assert (Colorizer(model, inference=cpu, preset=preset).render_factor, found) == expected


def test_auto_render_factor_follows_the_size_of_each_image(rng):
    colorizer = colorizer_of(Orange(), render_factor="auto")
    images = [np.zeros(shape, np.uint8) for shape in [(320, 400, 3), (100, 100, 3), (500, 320, 3)]]
    assert [len(square) for square in colorizer.color_of(images)] == [320, 192, 320]


def test_statement_names_model_preset_and_render_factor(color_model, colorizer):
    statement = colorizer.statement(4)
    assert statement.startswith(f"AI-colorized by decrappify {RELEASE}, preset own, model tiny (sha256 ")
    assert statement.endswith(f"{color_model.sha256}), render_factor 4")


def model_of(network=None, normalization=IMAGENET, **card):
    return Model(network or Orange(), normalization, card={"name": "other"} | card)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (model_of(create("small", n_frames=3)), "model 'other' is for restoration, not colorization; choose"),
        (model_of(task="restoration"), "is for restoration, not colorization"),
        (
            model_of(create("small", n_frames=3), task="colorization"),
            r"takes 3 frames of 1 channel and returns 1 at scale 1; expected 1 frame",
        ),
        (model_of(normalization=None, task="colorization"), "expected ChannelStatistics of red, green and blue"),
    ],
)
def test_colorizer_rejects_unsuitable_models(model, match):
    with pytest.raises(InputError, match=match):
        Colorizer(model, inference=InferenceOptions(device="cpu"))


OUT_OF_MEMORY = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")]


class TestOutOfMemory:
    @pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu"])
    def test_batch_size_is_reduced_first(self, error, photo):
        colorizer = colorizer_of(Orange(limit=2 * 64**2, error=error), render_factor=4)
        squares = colorizer.color_of([photo] * 7)
        assert len(squares) == 7
        assert all((square == squares[0]).all() for square in squares)

    def test_auto_render_factor_is_reduced_with_a_warning(self, caplog):
        colorizer = colorizer_of(Orange(limit=(16 * 20) ** 2), render_factor="auto")
        images = [np.zeros((480, 480, 3), np.uint8)] * 2
        with caplog.at_level(logging.WARNING):
            squares = colorizer.color_of(images)
        assert [len(square) // 16 for square in squares] == [16, 16]  # 30, 22, 16
        assert "out of memory on cpu with render_factor=30, now at most 22" in caplog.text
        assert len(colorizer.color_of(images[:1])[0]) // 16 == 16  # the render factor must not change within a film

    def test_requested_render_factor_is_not_changed(self, photo):
        colorizer = colorizer_of(Orange(limit=160**2), render_factor=20)
        with pytest.raises(
            DeviceMemoryError, match=r"not enough memory on cpu for render_factor=20: .*; choose render_factor=15"
        ):
            colorizer(photo)

    def test_auto_render_factor_raises_at_the_smallest_square(self, photo):
        colorizer = colorizer_of(Orange(), render_factor="auto")
        colorizer.network._network.limit = 1
        with pytest.raises(
            DeviceMemoryError, match=r"not enough memory on .* for render_factor=2: .*; choose a computer"
        ):
            colorizer(photo)

    def test_square_larger_than_main_memory_raises(self, photo, monkeypatch):
        colorizer = colorizer_of(Orange(), render_factor=20)
        monkeypatch.setattr("decrappify.colorization.colorizer.free_memory", lambda _: 1000)
        with pytest.raises(DeviceMemoryError, match=r"=20: needs 5 MB, 1\.0 kB are free; choose a computer"):
            colorizer(photo)

    def test_image_with_buffers_larger_than_memory_raises(self, monkeypatch):
        colorizer = colorizer_of(Orange(), render_factor=2)
        monkeypatch.setattr("decrappify.limits.memory.available_memory", lambda: 200 << 20)
        image = np.broadcast_to(np.uint8(7), (4000, 6000, 3))
        with pytest.raises(
            DeviceMemoryError, match=r"^coloring an image of 4000 x 6000 pixels needs 211 MB, only 210 MB of"
        ):
            colorizer.color_of([image])

    def test_other_errors_are_not_caught(self, photo):
        with pytest.raises(RuntimeError, match="shapes do not fit"):
            colorizer_of(Orange(limit=64**2, error=RuntimeError("shapes do not fit")), render_factor=8)(photo)
