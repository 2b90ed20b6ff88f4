from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from decrappify.errors import InputError
from decrappify.training.monitors.measure import MonitorRow, Monitors


class Blend(nn.Module):
    """Blur of the source, plus a known share of the detail that the blur removed, plus a known checkerboard."""

    def __init__(self, sharp=0.0, checks=0.0):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.sharp, self.checks = sharp, checks

    def forward(self, source):
        blur = nn.functional.avg_pool2d(source, 3, 1, 1, count_include_pad=False)
        y, x = torch.meshgrid(*(torch.arange(side) for side in source.shape[-2:]), indexing="ij")
        return blur + self.sharp * (source - blur) + self.checks * ((y + x) % 2)


def samples(n=12, channels=1, size=32, noise=0.1, seed=0, second=True):
    generator = torch.Generator().manual_seed(seed)
    result = []
    for _ in range(n):
        target = nn.functional.avg_pool2d(torch.rand(channels, size + 4, size + 4, generator=generator) * 3, 5, 1)
        sources = [target + noise * torch.randn(target.shape, generator=generator) for _ in range(2)]
        sample = {"source": sources[0], "source_2": sources[1], "target": target}
        result.append(sample if second else {key: sample[key] for key in ("source", "target")})
    return result


@pytest.mark.parametrize("channels", [1, 3])
def test_measure_of_the_baseline_network_equals_the_baseline(channels):
    monitors = Monitors(samples(channels=channels), Blend(), batch_size=5)
    base = monitors.baseline
    assert (base.step, base.images_seen) == (0, 0)
    assert base.grid_peak == base.confirmed == base.invented == base.noise_draw == 1
    assert base.kid_error > 0
    again = monitors.measure(Blend(), step=7, images_seen=70)
    assert again.kid_error == 0  # the error of the change, which is zero
    assert again.to_dict() == base.to_dict() | {"step": 7, "images_seen": 70, "kid_error": 0}


def test_measure_of_a_perfect_network_is_ideal():
    class Identity(nn.Module):
        def forward(self, source):
            return source

    clean = samples(noise=0.0)
    row = Monitors(clean, Blend()).measure(Identity(), step=1, images_seen=1)
    assert row.kid == pytest.approx(0, abs=1e-9)
    assert row.referee_auc == 0.5
    assert row.band_power == pytest.approx((0, 0, 0), abs=1e-6)
    assert row.psnr == pytest.approx(120)


def test_measure_detects_transmitted_noise():
    monitors = Monitors(samples(), Blend())
    rows = [monitors.measure(Blend(sharp), step=1, images_seen=1) for sharp in (0.5, 1.0)]
    base = monitors.baseline
    # The 3 x 3 mean leaves 1/9 of the noise power inside the image, the identity all of it.
    assert rows[1].noise_draw == pytest.approx(9, rel=0.1)
    assert 1 < rows[0].noise_draw < rows[1].noise_draw
    assert rows[1].invented > 2
    assert base.band_power[2] < rows[0].band_power[2] < rows[1].band_power[2]
    assert rows[1].psnr == pytest.approx(20, abs=0.3)


def test_measure_detects_a_checkerboard():
    monitors = Monitors(samples(), Blend())
    row = monitors.measure(Blend(checks=0.05), step=1, images_seen=1)
    assert row.grid_peak > 4
    assert row.invented > 1.5
    assert row.noise_draw == pytest.approx(1)


def test_measure_does_not_depend_on_batch_size():
    one, other = (Monitors(samples(), Blend(), batch_size=size).baseline.to_dict() for size in (5, 12))
    assert one.pop("band_power") == pytest.approx(other.pop("band_power"), rel=1e-4)
    assert one == pytest.approx(other, rel=1e-4)


def test_data_range_changes_psnr_only():
    one = Monitors(samples(), Blend()).baseline
    ten = Monitors(samples(), Blend(), data_range=10.0).baseline
    assert ten.psnr == pytest.approx(one.psnr + 20)
    assert (ten.kid, ten.band_power) == (one.kid, one.band_power)


def test_measure_keeps_the_mode_of_every_module():
    network = Blend().train()
    network.norm.eval()  # a frozen norm inside a network in training
    Monitors(samples(), network)
    assert network.training
    assert not network.norm.training


def test_measure_keeps_the_gradient_mode_and_the_generator_state():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Monitors(samples(), Blend()).measure(Blend(), step=1, images_seen=1)
    torch.testing.assert_close(torch.rand(2), expected)
    assert torch.is_grad_enabled()


def test_noise_draw_is_nan_without_a_second_source():
    monitors = Monitors(samples(second=False), Blend())
    assert math.isnan(monitors.baseline.noise_draw)
    assert math.isnan(monitors.measure(Blend(1.0), step=1, images_seen=1).noise_draw)


def test_monitor_row_of_a_diverged_network_is_nan_and_round_trips_through_json():
    row = Monitors(samples(), Blend()).measure(Blend(sharp=math.inf), step=5, images_seen=40)
    assert (row.step, row.images_seen) == (5, 40)
    assert all(math.isnan(value) for value in (row.psnr, row.kid, row.noise_draw, *row.band_power))
    entries = json.loads(json.dumps(row.to_dict(), allow_nan=False))
    assert MonitorRow.from_dict(entries).to_dict() == row.to_dict()


def test_monitor_row_round_trips_through_json():
    row = Monitors(samples(), Blend()).measure(Blend(0.3), step=5, images_seen=40)
    assert MonitorRow.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_monitor_row_rejects_unknown_entries():
    entries = Monitors(samples(), Blend()).baseline.to_dict() | {"fid": 1.0}
    with pytest.raises(InputError, match=r"missing or unknown entries \(fid\), expected band_power, "):
        MonitorRow.from_dict(entries)


@pytest.mark.parametrize(
    ("validation", "arguments", "message"),
    [
        (samples(3), {}, "3 validation samples are too few to monitor a GAN phase, expected 4"),
        (samples(4, size=16), {}, "validation targets are 16 x 16 pixels, expected at least 32 x 32"),
        (
            samples(4) + samples(1, size=64),
            {},
            r"different shapes \[\(1, 32, 32\), \(1, 64, 64\)\], expected one shape",
        ),
        (samples(4) + samples(1, second=False), {}, "some validation samples have a second source and some do not"),
        (samples(4), {"batch_size": 0}, "batch_size is 0, expected at least 1"),
        (samples(4), {"data_range": 0.0}, "data_range is 0.0, expected a span above 0"),
    ],
)
def test_monitors_rejects_unsuitable_samples(validation, arguments, message):
    with pytest.raises(InputError, match=message):
        Monitors(validation, Blend(), **arguments)


def test_monitors_rejects_unsuitable_networks():
    with pytest.raises(InputError, match="the output of the pretrained generator is not finite"):
        Monitors(samples(), Blend(math.inf))
    with pytest.raises(InputError, match=r"the network returns \(8, 1, 16, 16\), expected \(8, 1, 32, 32\)"):
        Monitors(samples(), nn.AvgPool2d(2))
