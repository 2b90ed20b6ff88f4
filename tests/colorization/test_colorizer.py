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
from decrappify.normalization import IMAGENET

pytestmark = pytest.mark.cpu_sensitive

CARD = {"task": "colorization", "preset": "own"}


class Orange(RestorationNetwork):
    """Answers one color whatever it sees; runs out of memory above `limit` pixels in one batch."""

    def __init__(self, limit: int = 10**9, error: Exception | None = None) -> None:
        super().__init__()
        self.spec = NetworkSpec(n_frames=1, in_channels=3, out_channels=3)
        self.limit, self.error = limit, error or torch.OutOfMemoryError("CUDA out of memory")
        self.architecture: dict[str, object] = {"name": "orange"}
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, source):
        if source.shape[0] * source.shape[2] * source.shape[3] > self.limit:
            raise self.error
        answer = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
        return ((answer - mean) / std).expand_as(source)


def of_network(network, **settings):
    return Colorizer(
        Model(network, IMAGENET, card=CARD), inference=InferenceOptions(device="cpu", precision="float32"), **settings
    )


@pytest.fixture(scope="module")
def artistic(recipe):
    with torch.device("meta"):
        network = create("deoldify-artistic")
    state = {key: torch.from_numpy(value) for key, value in recipe.load_state("artistic").items()}
    network.load_state_dict(state, assign=True)
    return Model(network, IMAGENET, card={"task": "colorization", "preset": "artistic"})


@pytest.mark.slow
def test_the_filter_equals_the_original(artistic, parity):
    """Rounding alone moves a few truncated levels: in float64 two of the 49152 differ from the fixture too."""
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


def test_the_network_sees_the_gray_square_that_the_original_shows(parity):
    seen = []
    colorizer = of_network(Orange(), render_factor=8)
    hook = colorizer.network._network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    colorizer.color_of([np.load(parity / "filter_input_rgb.npy")])
    hook.remove()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    gray = ((seen[0] * std + mean) * 255).round()[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(gray, np.load(parity / "filter_rf8_model_input_rgb.npy"))


def test_the_answer_is_what_the_steps_say_one_by_one(color_model, colorizer, photo):
    small = np.asarray(Image.fromarray(photo).resize((64, 64), Image.Resampling.BILINEAR))
    unit = torch.from_numpy(gray_of(small)).float()[None, None] / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    with torch.inference_mode():
        levels = ((color_model.network((unit - mean) / std) * std + mean).clamp(0, 1) * 255)[0].permute(1, 2, 0)
    (square,) = colorizer.color_of([photo])
    assert (square.shape, square.dtype) == ((64, 64, 3), np.uint8)
    assert np.abs(square - levels.numpy()).max() < 1.001  # cut, not rounded
    assert (square <= levels.numpy() + 1e-3).all()
    raw = np.asarray(Image.fromarray(square).resize((90, 60), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(colorizer.finish(photo, square), merge_luma(photo, raw))
    np.testing.assert_array_equal(colorizer(photo), colorizer.finish(photo, square))


def test_color_appears_and_luma_stays(photo):
    colored = of_network(Orange(), render_factor=4)(photo)
    red, green, blue = (colored[..., channel].astype(int) for channel in range(3))
    assert (red > green).mean() > 0.9
    assert (green > blue).mean() > 0.9
    inside = ((colored > 0) & (colored < 255)).all(axis=2)
    assert np.abs(luma_of(colored) - luma_of(photo))[inside].max() <= 1


class Diverged(Orange):
    """Predicts NaN in one pixel."""

    def forward(self, source):
        answer = super().forward(source).clone()
        answer[..., 0, 0] = float("nan")
        return answer


def test_colorizer_stops_when_a_network_predicts_nan(photo):
    with pytest.raises(InputError, match=r"predicted NaN or infinity from an image; use precision='float32'"):
        of_network(Diverged(), render_factor=4)(photo)


def test_images_of_several_sizes_go_together(colorizer, photo):
    pictures = [photo, photo[:31, :17], np.ascontiguousarray(photo[::-1])]
    for picture, square in zip(pictures, colorizer.color_of(pictures), strict=True):
        alone = colorizer.color_of([picture])[0]
        assert np.abs(square.astype(int) - alone).max() <= 1
    assert colorizer.color_of([]) == []


@pytest.mark.parametrize("shape", [(60, 90), (1, 1), (3, 200), (7, 5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_and_depth(colorizer, shape, dtype, rng):
    picture = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    colored = colorizer(picture)
    assert (colored.shape, colored.dtype) == ((*shape[:2], 3), dtype)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)]
)
def test_other_files_than_images_are_refused(colorizer, picture):
    with pytest.raises(InputError, match=r"cannot be colorized, expected \(Y, X\) or \(Y, X, 3\), uint8 or uint16"):
        colorizer(picture)


@pytest.mark.parametrize(
    ("card", "preset", "expected"),
    [("artistic", None, 35), ("video", None, 21), ("artistic", "video", 21), ("own", None, 21), ("unheard", None, 21)],
)
def test_the_render_factor_is_that_of_the_preset(card, preset, expected):
    model = Model(Orange(), IMAGENET, card=CARD | {"preset": card})
    assert Colorizer(model, inference=InferenceOptions(device="cpu"), preset=preset).render_factor == expected


def test_auto_goes_by_the_size_of_each_image(rng):
    colorizer = of_network(Orange(), render_factor="auto")
    pictures = [np.zeros(shape, np.uint8) for shape in [(320, 400, 3), (100, 100, 3), (500, 320, 3)]]
    assert [len(square) for square in colorizer.color_of(pictures)] == [320, 192, 320]


def test_the_statement_names_model_preset_and_render_factor(color_model, colorizer):
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
            r"takes 3 frame\(s\) of 1 channels and returns 1 at scale 1; colorization needs 1 frame",
        ),
        (model_of(normalization=None, task="colorization"), "needs ChannelStatistics of red, green and blue"),
    ],
)
def test_models_for_something_else_are_refused(model, match):
    with pytest.raises(InputError, match=match):
        Colorizer(model, inference=InferenceOptions(device="cpu"))


OUT_OF_MEMORY = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")]


class TestOutOfMemory:
    @pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu"])
    def test_fewer_images_go_together_first(self, error, photo):
        colorizer = of_network(Orange(limit=2 * 64**2, error=error), render_factor=4)
        squares = colorizer.color_of([photo] * 7)
        assert len(squares) == 7
        assert all((square == squares[0]).all() for square in squares)

    def test_auto_continues_with_smaller_squares_and_reports_it(self, caplog):
        colorizer = of_network(Orange(limit=(16 * 20) ** 2), render_factor="auto")
        pictures = [np.zeros((480, 480, 3), np.uint8)] * 2
        with caplog.at_level(logging.WARNING):
            squares = colorizer.color_of(pictures)
        assert [len(square) // 16 for square in squares] == [16, 16]  # 30, 22, 16
        assert "out of memory on cpu with render_factor=30, now at most 22" in caplog.text
        assert len(colorizer.color_of(pictures[:1])[0]) // 16 == 16  # a film must not change on the way

    def test_a_requested_render_factor_is_never_changed(self, photo):
        colorizer = of_network(Orange(limit=160**2), render_factor=20)
        with pytest.raises(
            DeviceMemoryError, match=r"not enough memory on cpu for render_factor=20: .*; choose render_factor=15"
        ):
            colorizer(photo)

    def test_auto_raises_at_the_smallest_square(self, photo):
        colorizer = of_network(Orange(), render_factor="auto")
        colorizer.network._network.limit = 1
        with pytest.raises(
            DeviceMemoryError, match=r"not enough memory on .* for render_factor=2: .*; choose a computer"
        ):
            colorizer(photo)

    def test_what_main_memory_cannot_hold_is_not_tried(self, photo, monkeypatch):
        colorizer = of_network(Orange(), render_factor=20)
        monkeypatch.setattr("decrappify.colorization.colorizer.free_memory", lambda _: 1000)
        with pytest.raises(DeviceMemoryError, match=r"=20: needs 5 MB, 1\.0 kB are free; choose a computer"):
            colorizer(photo)

    def test_color_of_refuses_an_image_whose_buffers_do_not_fit(self, monkeypatch):
        colorizer = of_network(Orange(), render_factor=2)
        monkeypatch.setattr("decrappify.limits.memory.available_memory", lambda: 200 << 20)
        image = np.broadcast_to(np.uint8(7), (4000, 6000, 3))
        with pytest.raises(
            DeviceMemoryError, match=r"^coloring an image of 4000 x 6000 pixels needs 211 MB, only 210 MB of"
        ):
            colorizer.color_of([image])

    def test_other_errors_pass(self, photo):
        with pytest.raises(RuntimeError, match="shapes do not fit"):
            of_network(Orange(limit=64**2, error=RuntimeError("shapes do not fit")), render_factor=8)(photo)
