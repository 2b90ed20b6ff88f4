from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from decrappify.errors import InputError, OutputExistsError
from decrappify.training.monitors.inflection import KEEP, Verdict, choose
from decrappify.training.monitors.plots import contact_sheet, plot_fidelity, plot_monitors

from .monitor_rows import BASE

FRAME = (0xC2, 0x18, 0x5B)


def rows(n=30):
    return [
        replace(
            BASE,
            step=k,
            images_seen=80 * k,
            psnr=30 - 0.04 * k,
            band_power=(0.0, -2 + 0.1 * k, -5 + 0.3 * k),
            confirmed=1 + 0.2 * math.sqrt(k),
            invented=1 + 0.05 * k,
            noise_draw=1 + 0.02 * k,
            kid=0.2 + 0.8 * (k / 15 - 1) ** 2 + 0.03 * math.sin(7 * k),
            kid_error=0.03,
            referee_auc=0.7 + 0.01 * abs(k - 15),
        )
        for k in range(1, n + 1)
    ]


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def contains(image, color):
    return bool((image == color).all(axis=-1).any())


def test_plot_monitors_marks_the_chosen_point_and_the_limits(tmp_path):
    verdict = choose(BASE, rows())
    assert verdict.index is not None
    path = plot_monitors(tmp_path / "monitors.png", BASE, rows(), verdict, images_total=80_000)
    image = pixels(path)
    assert image.shape[1] > 1000
    assert contains(image, FRAME)
    assert contains(image, (0xD9, 0xEF, 0xD8))
    assert list(tmp_path.iterdir()) == [path]


def test_verdict_and_key_are_within_the_image(tmp_path):
    reason = f"{KEEP}: KID changes from 0.01234 to 0.01198 (error 0.00043); required: 2 errors"
    verdict = Verdict(None, None, reason, (False,) * 30)
    image = pixels(plot_monitors(tmp_path / "monitors.png", BASE, rows(), verdict))
    assert (image[:, -4:] == 255).all()


def test_plot_fidelity_draws_the_monitors_and_the_limits(tmp_path):
    path = plot_fidelity(tmp_path / "fidelity.png", (1, 0.5, 0), [BASE, *rows(2)])
    image = pixels(path)
    assert image.shape[1] > 1000
    assert contains(image, (0xD9, 0xEF, 0xD8))
    with pytest.raises(OutputExistsError):
        plot_fidelity(path, (1, 0), [BASE, BASE])
    with pytest.raises(InputError, match=r"the fidelities are \[0, 1\], expected one for each of 2 rows, from 1"):
        plot_fidelity(tmp_path / "other.png", (0, 1), [BASE, BASE])


def test_plot_monitors_draws_empty_and_missing_signals(tmp_path):
    plot_monitors(tmp_path / "empty.png", BASE, [], choose(BASE, []))
    base = replace(BASE, noise_draw=math.nan)
    broken = [replace(row, psnr=math.nan, kid=math.nan, noise_draw=math.nan) for row in rows(3)]
    plot_monitors(tmp_path / "broken.png", base, broken, choose(base, broken))
    assert len(list(tmp_path.iterdir())) == 2


def test_plot_monitors_rejects_a_verdict_of_another_history(tmp_path):
    with pytest.raises(InputError, match="the verdict has 0 checkpoints, expected 30 like the rows"):
        plot_monitors(tmp_path / "monitors.png", BASE, rows(), Verdict(None, None, "", ()))


def test_plots_are_overwritten_only_on_request(tmp_path):
    path = tmp_path / "image.png"
    columns = [("a", [np.eye(8)])]
    contact_sheet(path, columns)
    with pytest.raises(OutputExistsError, match="already exists"):
        contact_sheet(path, columns)
    with pytest.raises(OutputExistsError, match="already exists"):
        plot_monitors(path, BASE, rows(), choose(BASE, rows()))
    contact_sheet(path, columns, overwrite=True)


def scene(seed=0, shape=(64, 64)):
    return np.random.default_rng(seed).random(shape)


def test_contact_sheet_frames_the_chosen_column(tmp_path):
    columns = [(f"step {k}", [scene(1), scene(2)]) for k in range(3)]
    plain, framed = (pixels(contact_sheet(tmp_path / f"{k}.png", columns, k)) for k in (None, 1))
    assert plain.shape == framed.shape
    assert not contains(plain, FRAME)
    framed_x = np.flatnonzero((framed == FRAME).all(axis=-1).any(axis=0))
    third = framed.shape[1] / 3
    assert framed_x.min() > third - 10
    assert framed_x.max() < 2 * third + 10


def test_contact_sheet_shows_all_images_in_one_contrast(tmp_path):
    ramp = np.linspace(0, 1, 128 * 128).reshape(128, 128)
    image = pixels(contact_sheet(tmp_path / "sheet.png", [("good", [ramp]), ("dim", [ramp / 2])], value_range=(0, 1)))
    good, dim = (image[-134:-6, x : x + 128, 0].astype(float) for x in (6, 140))
    assert good == pytest.approx(255 * ramp, abs=0.51)
    assert dim == pytest.approx(127.5 * ramp, abs=0.51)


def test_contact_sheet_shows_uint8_photographs_unchanged(tmp_path):
    photograph = np.random.default_rng(0).integers(50, 90, (3, 128, 128)).astype(np.uint8)
    image = pixels(contact_sheet(tmp_path / "sheet.png", [("photograph", [photograph])]))
    assert (image[-134:-6, 6:134] == photograph.transpose(1, 2, 0)).all()


def test_contact_sheet_contrast_ignores_a_collapsed_column(tmp_path):
    columns = [("one", [scene()]), ("two", [scene()]), ("collapsed", [1000 * scene()])]
    image = pixels(contact_sheet(tmp_path / "sheet.png", columns))
    assert image[-134:-6, 6:134].mean() == pytest.approx(127, abs=8)


def test_contact_sheet_shows_color_and_enlarges_small_sources(tmp_path):
    red = np.zeros((3, 64, 64))
    red[0] = 1
    columns = [("source", [red[:, ::2, ::2]]), ("target", [red])]
    image = pixels(contact_sheet(tmp_path / "sheet.png", columns, value_range=(0, 1)))
    assert (image[-134:-6, 6:134] == (255, 0, 0)).all()
    assert (image[-134:-6, 140:268] == (255, 0, 0)).all()


def test_contact_sheet_shows_channels_in_separate_rows(tmp_path):
    one = pixels(contact_sheet(tmp_path / "1.png", [("a", [scene()])]))
    two = pixels(contact_sheet(tmp_path / "2.png", [("a", [scene(shape=(2, 64, 64))])]))
    assert len(two) - len(one) == 128 + 6


@pytest.mark.parametrize(
    ("columns", "chosen", "message"),
    [
        ([], None, r"needs columns with equal numbers of images, found \[\]"),
        ([("a", [scene()]), ("b", [])], None, r"equal numbers of images, found \[1, 0\]"),
        ([("a", [scene()])], 1, "chosen is 1, expected a column 0 to 0 or None"),
        ([("a", [scene(shape=(4,))])], None, r"an image of 'a' has the shape \(4,\), expected \(Y, X\) or \(C, Y, X\)"),
        (
            [("a", [scene()]), ("b", [scene(shape=(3, 8, 8))])],
            None,
            r"images of \[1, 3\] channels, expected one number",
        ),
    ],
)
def test_contact_sheet_rejects_unsuitable_columns(tmp_path, columns, chosen, message):
    with pytest.raises(InputError, match=message):
        contact_sheet(tmp_path / "sheet.png", columns, chosen)


def test_contact_sheet_rejects_an_empty_value_range(tmp_path):
    with pytest.raises(InputError, match=r"value_range is \(1, 1\), expected \(black, white\) with black < white"):
        contact_sheet(tmp_path / "sheet.png", [("a", [scene()])], value_range=(1, 1))
