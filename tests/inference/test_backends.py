"""Agreement of the backends with torch, their errors, and the choice of one backend per run."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from tests import narrow  # noqa: F401  # makes its encoder known
from tests.restoration.conftest import FAST, ON_CPU, PoolingNetwork, as_model
from torch import nn

from decrappify.errors import InputError, OutputExistsError
from decrappify.inference import backends as choice
from decrappify.inference import measured
from decrappify.inference.agreement import agreement_db
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.options import InferenceOptions
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks import create
from decrappify.networks.residual_unet import ResidualUNet
from decrappify.normalization import IMAGENET
from decrappify.restoration import Preview, RestorationOptions, restore

CPU = torch.device("cpu")
RUNTIMES = ("onnxruntime", "openvino")
EXACT = {"device": "cpu", "precision": "float32"}
ONE_TILE = replace(ON_CPU, tile_size=64, tile_overlap=8)

pytestmark = pytest.mark.usefixtures("cached_operator_tables")


@pytest.fixture(params=RUNTIMES)
def runtime(request):
    return installed(request.param)


def installed(name):
    """Return `name`, or skip if it is not installed; without importing it, as OpenVINO would report its use."""
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: it is an extra")
    if name == "onnxruntime" and find_spec("onnxscript") is None:
        pytest.skip("onnxscript is not installed: the export needs it")
    return name


only_openvino = pytest.mark.parametrize("runtime", ["openvino"], indirect=True)


def residual(n_frames=1, scale=1, **settings):
    """Create a residual U-Net with a nonzero residual, unlike an untrained one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = ResidualUNet(n_frames=n_frames, scale=scale, base_channels=16, depth=1, **settings)
        nn.init.normal_(network.tail.weight, std=0.05)
    return network


def source_for(network, height, width):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(1, network.n_frames * network.in_channels, height, width, generator=generator)


@pytest.mark.parametrize(
    ("n_frames", "scale"),  # scale 1: tested with restored movies below
    [(3, 2), pytest.param(1, 4, marks=pytest.mark.slow)],
)
def test_runtime_predicts_like_torch(runtime, n_frames, scale):
    network = residual(n_frames, scale, stem=2 if scale == 4 else 1)
    plain = InferenceNetwork(network, **EXACT, backend="torch")
    fast = InferenceNetwork(network, **EXACT, backend=runtime)
    assert (fast.backend, fast.precision) == (runtime, "float32")
    for height, width in ((64, 64), (40, 24)):
        source = source_for(network, height, width)
        torch.testing.assert_close(fast(source), plain(source), atol=1e-5, rtol=0)


@pytest.mark.parametrize("runtime", [pytest.param("onnxruntime", marks=pytest.mark.slow), "openvino"], indirect=True)
@pytest.mark.slow
def test_runtime_predicts_like_torch_for_a_generator(runtime):
    torch.manual_seed(0)
    network = create("deoldify-artistic", encoder="narrow-resnet", width_factor=0.25)
    for module in network.modules():
        if hasattr(module, "gamma"):
            nn.init.constant_(module.gamma, 0.5)
    fast = InferenceNetwork(network, **EXACT, backend=runtime)
    source = source_for(network, 64, 64)  # the size of the trial, so that only one export is needed
    torch.testing.assert_close(
        fast(source), InferenceNetwork(network, **EXACT, backend="torch")(source), atol=1e-4, rtol=1e-4
    )


@only_openvino
def test_runtime_accepts_several_sources(runtime):
    network = residual()
    fast = InferenceNetwork(network, **EXACT, backend=runtime)
    sources = torch.cat([source_for(network, 16, 16), 1 - source_for(network, 16, 16)])
    expected = InferenceNetwork(network, **EXACT, backend="torch")(sources)
    torch.testing.assert_close(fast(sources), expected, atol=1e-5, rtol=0)


@pytest.mark.slow  # the code generator takes a minute
@pytest.mark.timeout(900)
def test_compiled_network_predicts_like_torch(caplog):
    network = residual(3)
    fast = InferenceNetwork(network, **EXACT, backend="compile")
    with caplog.at_level(logging.INFO):
        for side in (32, 48):
            source = source_for(network, side, 32)
            torch.testing.assert_close(
                fast(source), InferenceNetwork(network, **EXACT, backend="torch")(source), atol=1e-5, rtol=0
            )
    assert "uncompiled" not in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("no_compiler")
def test_compile_backend_falls_back_to_torch(caplog):
    network = residual()
    source = source_for(network, 16, 16)
    with caplog.at_level(logging.INFO):
        found = InferenceNetwork(network, **EXACT, backend="compile")(source)
    assert "torch.compile does not work here" in caplog.text
    assert torch.equal(found, InferenceNetwork(network, **EXACT, backend="torch")(source))


@pytest.mark.parametrize(
    ("runtime", "dtype"),
    [pytest.param("onnxruntime", np.uint16, marks=pytest.mark.slow), ("openvino", np.uint8)],
    indirect=["runtime"],
)
def test_restored_movies_agree_within_one_gray_level(runtime, rng, dtype):
    movie = Movie.from_array(rng.integers(0, np.iinfo(dtype).max // 2, (3, 60, 52)).astype(dtype))
    model = as_model(residual(3, 2))
    expected, found = (
        np.asarray(
            restore(movie, model, inference=replace(ON_CPU, tile_size=48, tile_overlap=16, backend=backend))
        ).astype(int)
        for backend in ("torch", runtime)
    )
    assert np.ptp(expected) > 50
    np.testing.assert_allclose(found, expected, atol=1, rtol=0)


@only_openvino
def test_preview_uses_the_backend(runtime, movie):
    model = as_model(residual(3))
    part = (2, 0, 0, slice(4, 30), slice(8, 60))
    expected = Preview(movie, model, inference=replace(ON_CPU, backend="torch")).region(*part)
    found = Preview(movie, model, inference=replace(ON_CPU, backend=runtime)).region(*part)
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=1)


@pytest.fixture
def one_tile(rng):
    """A movie whose only tile has the size of the trial, so that only one export is needed."""
    return Movie.from_array(rng.integers(90, 4000, (4, 64, 64), dtype=np.uint16))


@only_openvino
def test_restore_records_and_logs_the_backend(runtime, one_tile, caplog):
    with caplog.at_level(logging.INFO):
        restored = restore(
            one_tile,
            as_model(residual()),
            inference=replace(ONE_TILE, backend=runtime),
            options=RestorationOptions(frames=0),
        )
    assert restored.provenance["restoration"]["backend"] == runtime
    assert f"{runtime} on cpu in float32" in caplog.text
    assert f"backend='{runtime}' agrees with torch in float32 to " in caplog.text


class ChangedByExport(PoolingNetwork):
    """A network whose exported form predicts other values."""

    def forward(self, source):
        prediction = super().forward(source)
        return prediction * 1.01 if torch.compiler.is_compiling() else prediction


def test_inference_network_rejects_a_runtime_that_disagrees(runtime):
    with pytest.raises(
        InputError, match=rf"backend='{runtime}' agrees with torch only to \d+\.\d dB, expected at least 80 dB; use"
    ):
        InferenceNetwork(ChangedByExport(), **EXACT, backend=runtime)


class DataDependent(PoolingNetwork):
    """A network whose control flow depends on pixels, which cannot be exported."""

    def forward(self, source):
        return super().forward(source if source.mean() > 0 else -source)


def test_inference_network_rejects_a_network_that_cannot_be_exported(runtime):
    with pytest.raises(InputError, match=rf"backend='{runtime}' cannot run this network \(.+\); use backend='torch'$"):
        InferenceNetwork(DataDependent(), **EXACT, backend=runtime)


@pytest.mark.parametrize(
    ("backend", "package", "extra"),
    [
        ("onnxruntime", "onnxruntime", "onnx"),
        ("onnxruntime", "onnxscript", "onnx"),
        ("openvino", "openvino", "openvino"),
    ],
)
def test_missing_package_raises_and_names_its_extra(monkeypatch, backend, package, extra):
    if package != backend:
        installed(backend)
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"^{package} is not installed; run pip install \"decrappify\[{extra}\]\", or use backend='torch'$"
    with pytest.raises(InputError, match=message):
        InferenceNetwork(residual(), **EXACT, backend=backend)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"backend": "tensorrt"},
            "backend='tensorrt' is not known, expected one of 'auto', 'torch', 'compile', 'onnxruntime', 'openvino'",
        ),
        (
            {"backend": "onnxruntime", "precision": "bfloat16"},
            "backend='onnxruntime' does not support bfloat16; use 'openvino' or 'torch'",
        ),
    ],
)
def test_inference_network_rejects_unsuitable_backends(options, message):
    with pytest.raises(InputError, match=message):
        InferenceNetwork(residual(), **{"device": "cpu"} | options)


def test_check_backend_rejects_runtimes_on_other_devices_than_the_cpu():
    with pytest.raises(InputError, match="backend='openvino' runs on the CPU, not on cuda:1; pass device='cpu' or"):
        choice.check_backend("openvino", torch.device("cuda:1"), "auto")


def test_openvino_rejects_bfloat16_without_processor_support(monkeypatch):
    monkeypatch.setattr("decrappify.inference.network.has_fast_bfloat16", lambda device: False)
    with pytest.raises(InputError, match="backend='openvino' supports bfloat16 only on processors that do"):
        InferenceNetwork(residual(), device="cpu", precision="bfloat16", backend="openvino")


def measures_openvino_as_faster(monkeypatch):
    installed("openvino")
    costs = {"torch": measured.Cost(0, 1.0), "openvino": measured.Cost(0, 0.5)}
    monkeypatch.setattr("decrappify.inference.network.measured_costs", lambda *_: costs)


class TestAutomaticBackend:
    @pytest.fixture(autouse=True)
    def openvino_is_faster(self, monkeypatch):
        measures_openvino_as_faster(monkeypatch)

    def test_length_of_a_run_is_counted_in_its_windows(self, movie, monkeypatch):
        model = as_model(residual())
        for long_run, expected in ((3 * 2 * 45 * 70, "openvino"), (3 * 2 * 45 * 70 + 1, "torch")):
            monkeypatch.setattr("decrappify.inference.network.MEASURED_RUN", long_run)
            restored = restore(movie, model, **FAST, options=RestorationOptions(frames="1:4"))
            assert restored.provenance["restoration"]["backend"] == expected

    def test_torch_replaces_a_backend_that_cannot_be_imported(self, monkeypatch, caplog):
        monkeypatch.setitem(sys.modules, "openvino", None)
        monkeypatch.setattr("decrappify.inference.network.other_backend", lambda *_: "openvino")
        with caplog.at_level(logging.INFO):
            network = InferenceNetwork(residual(), **EXACT, expected_pixels=60_000_000)
        assert network.backend == "torch"
        assert "openvino is not installed" in caplog.text
        assert network(source_for(residual(), 16, 16)).shape == (1, 1, 16, 16)

    def test_torch_replaces_a_backend_that_fails_for_another_size(self, monkeypatch, caplog):
        network = residual()
        fast = InferenceNetwork(network, **EXACT, expected_pixels=60_000_000)
        assert fast.backend == "openvino"

        def fails(*_):
            raise RuntimeError("no kernel")

        monkeypatch.setitem(choice.RUNTIMES, "openvino", fails)
        source = source_for(network, 24, 16)
        expected = InferenceNetwork(network, **EXACT, backend="torch")(source)
        torch.testing.assert_close(fast(source), expected, atol=1e-6, rtol=0)
        assert "cannot run this network (no kernel)" in caplog.text


def test_per_size_keeps_the_latest_sizes_only():
    made = []

    def make(source):
        made.append(source.shape[-1])
        return lambda source: source

    network = choice.PerSize(make)
    for side in (1, 2, 3, 4, 1, 5, 1, 5):
        network(torch.zeros(1, 1, 1, side))
    assert made == [1, 2, 3, 4, 5, 1]


class Stop(Exception):
    """Exception that ends a run in its third frame."""


def stops(t, c, z):
    if t == 2:
        raise Stop


@only_openvino
def test_restore_resumes_only_on_the_same_backend(runtime, one_tile, tmp_path):
    output, model = tmp_path / "restored.ome.zarr", as_model(residual())
    with pytest.raises(Stop):
        restore(one_tile, model, output, inference=replace(ONE_TILE, backend=runtime), on_plane=stops)
    with pytest.raises(OutputExistsError):
        restore(one_tile, model, output, inference=replace(ONE_TILE, backend="torch"))
    restored = restore(one_tile, model, output, inference=replace(ONE_TILE, backend=runtime))
    assert restored.provenance["restoration"]["backend"] == runtime


@pytest.mark.slow
def test_restore_resumes_on_the_automatically_chosen_backend(one_tile, tmp_path, monkeypatch):
    output, model, settings = tmp_path / "restored.ome.zarr", as_model(residual()), {"inference": ONE_TILE}
    measures_openvino_as_faster(monkeypatch)
    monkeypatch.setattr("decrappify.inference.network.MEASURED_RUN", 1)
    with pytest.raises(Stop):
        restore(one_tile, model, output, **settings, on_plane=stops)
    monkeypatch.undo()
    restored = restore(one_tile, model, output, **settings)
    assert restored.provenance["restoration"]["backend"] == "openvino"


@pytest.mark.parametrize(
    ("found", "expected"), [([0.0, 1.0], np.inf), ([0.0, np.nan], -np.inf), ([1.0, 0.0], 0.0), ([1e-4, 1.0001], 80.0)]
)
def test_agreement_db_is_a_psnr(found, expected):
    assert agreement_db(torch.tensor(found), torch.tensor([0.0, 1.0])) == pytest.approx(expected, abs=0.01)


def test_agreement_db_of_a_constant_prediction_is_infinite():
    assert agreement_db(torch.ones(2) + 1e-6, torch.ones(2)) == -np.inf
    assert agreement_db(torch.ones(2), torch.ones(2)) == np.inf


@only_openvino
def test_colorize_uses_the_backend(runtime):
    colorize = import_module("decrappify.colorization").colorize
    network = residual(in_channels=3, out_channels=3)  # generators are tested above
    model = Model(network, IMAGENET, card={"task": "colorization", "preset": "own"})
    gray = np.linspace(0, 255, 30 * 50).reshape(30, 50).astype(np.uint8)
    found, expected = (
        colorize(
            gray,
            model=model,
            render_factor=4,
            inference=InferenceOptions(device="cpu", precision="float32", backend=backend),
        ).astype(int)
        for backend in (runtime, "torch")
    )
    np.testing.assert_allclose(found, expected, atol=1)
