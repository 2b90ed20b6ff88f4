"""Copy of a network for fast inference: device, precision, backend, memory layout and folded norms."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from decrappify._common.argument_names import setting
from decrappify._common.planes.rounding import round_up
from decrappify.errors import InputError
from decrappify.inference.agreement import agreement_db, trial_source
from decrappify.inference.backends import (
    MIN_FLOAT32_AGREEMENT_DB,
    RUNTIMES,
    check_agreement,
    check_backend,
    on_runtime,
    with_compile,
)
from decrappify.inference.folding import fold_norms
from decrappify.inference.measured import (
    MEASURED_RUN,
    MEASURED_SIDE,
    cheapest,
    cost_key,
    measured_costs,
    other_backend,
)
from decrappify.inference.memory import activation_bytes_per_pixel, largest_tile
from decrappify.inference.options import check_precision
from decrappify.inference.precision import PRECISIONS, convert, has_fast_bfloat16
from decrappify.inference.runtimes import Predict
from decrappify.inference.strips import StripedUNet, in_strips
from decrappify.inference.winograd import WinogradConv2d, with_winograd
from decrappify.limits.threads import check_torch_threads
from decrappify.limits.weights import check_preparing
from decrappify.networks.spec import RestorationNetwork

logger = logging.getLogger(__name__)

# The squared error of bfloat16 is then 1 % of that of a restoration with a PSNR of 35 dB, which it lowers by 0.04 dB.
MIN_AGREEMENT_DB = 55.0


class InferenceNetwork:
    """A copy of a network, in eval mode, on one device, in one precision and on one backend.

    Weights are converted once; the source remains float32 and is cast only for the first convolution, so that a
    network that adds its residual to the source does so in float32. A network that does not add it computes its last
    layer in float32 (`NetworkSpec.output_layer`).

    Parameters
    ----------
    network : RestorationNetwork
        The network; it is not changed.
    device : str or torch.device
        ``"auto"`` chooses CUDA, then MPS, then the CPU.
    precision : {"auto", "float32", "bfloat16", "float16"}
        ``"auto"`` chooses bfloat16 if the hardware supports it and this network then agrees with float32 on a
        simulated source, see `trial_source`. The choice does not depend on the movie: previews, parts and resumed runs
        have the precision of the complete run.
    min_agreement_db : float
        PSNR (dB) between the two that ``"auto"`` requires.
    as_source : callable, optional
        Converts a simulated source, (N, n_channels, H, W) with background 0 and brightest structure 1, to a source of
        this network; by default they are equal.
    backend : {"auto", "torch", "compile", "onnxruntime", "openvino"}
        Runtime of the network; the last two run only on the CPU. All but torch are prepared for each source size,
        which takes seconds to minutes, and compared with torch on a simulated source: in float32 they must agree to
        80 dB. ``"auto"`` measures torch and OpenVINO (if installed) for runs of at least 50 megapixels on a CPU and
        uses the faster one, see `decrappify.inference.measured`; all other runs use torch.
    expected_pixels : int
        Minimum number of input pixels that will be predicted; used by ``"auto"``.

    Attributes
    ----------
    device, precision, backend : torch.device and str
        The chosen values.
    agreement_db : float or None
        PSNR (dB) of bfloat16 against float32, if ``"auto"`` measured it.

    Raises
    ------
    InputError
        If the device is not available, the precision or backend is unknown or not supported on this device, or the
        backend is not installed, cannot run this network or disagrees with torch.
    DeviceMemoryError
        If the copies of the network do not fit into memory.
    """

    def __init__(
        self,
        network: RestorationNetwork,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        min_agreement_db: float = MIN_AGREEMENT_DB,
        as_source: Callable[[Tensor], Tensor] | None = None,
        backend: str = "auto",
        expected_pixels: int = 0,
    ) -> None:
        spec = network.spec
        self.spec = spec
        self.n_frames, self.in_channels, self.out_channels = spec.n_frames, spec.in_channels, spec.out_channels
        self.scale, self.margin = spec.scale, spec.margin
        # Tiles that start elsewhere would have a different coarse grid than their neighbors.
        self.size_multiple = spec.tile_multiple
        self.device = choose_device(device)
        self._min_agreement_db, self._as_source = min_agreement_db, as_source
        self.agreement_db: float | None = None
        check_torch_threads()
        self._check_precision(precision)
        check_backend(backend, self.device, precision)
        if backend == "openvino" and precision == "bfloat16" and not has_fast_bfloat16(self.device):
            raise InputError(
                f"{setting('backend', 'openvino')} supports bfloat16 only on processors that do, and this one "
                f"does not; use {setting('precision', 'auto')} or 'float32'"
            )
        check_preparing(network.state_dict().values())
        self._network = fold_norms(network, large_in_one_go=True).requires_grad_(False)
        self._network.to(self.device, torch.float32, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = precision
        if precision == "auto":
            self.precision = "float32" if backend == "onnxruntime" else self._choose_precision()
        self.backend, self._predict = self._choose_backend(backend, expected_pixels)
        self._dtype = torch.float32 if self.backend in RUNTIMES else PRECISIONS[self.precision]
        if self._dtype != torch.float32:
            convert(self._network, self.precision, output_layer=spec.output_layer)
        if self.backend == "torch" and self.device.type == "cpu":
            self._predict = in_strips(self._predict)
        self.bytes_per_pixel = activation_bytes_per_pixel(self._network, self.n_channels, self.size_multiple)

    @property
    def n_channels(self) -> int:
        """Number of channels of the network's input: window length times channels of a frame."""
        return int(self.n_frames * self.in_channels)

    def __call__(self, source: Tensor) -> Tensor:
        """Predict (N, out_channels, H * scale, W * scale) float32 from (N, n_channels, H, W) float32 on `device`."""
        return self._run(self._predict, source, self._dtype)

    def _run(self, network: Predict, source: Tensor, dtype: torch.dtype) -> Tensor:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device.type == "cuda":  # the algorithm must not differ between runs or reduce the precision
                exact = dtype == torch.float32
                stack.enter_context(
                    torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=not exact)
                )
            if dtype != torch.float32:
                stack.enter_context(torch.autocast(self.device.type, dtype))
            if not isinstance(network, StripedUNet):  # which would copy it a second time
                source = source.contiguous(memory_format=torch.channels_last)
            prediction: Tensor = network(source)
            return prediction.float()

    def _check_precision(self, precision: str) -> None:
        check_precision(precision)
        if precision == "float16" and self.device.type == "cpu":
            raise InputError(
                f"{setting('precision', 'float16')} needs a GPU; use 'auto', 'bfloat16' or 'float32' on the CPU"
            )

    def _choose_precision(self) -> str:
        if not has_fast_bfloat16(self.device):
            return "float32"
        self.agreement_db = self._agreement_db("bfloat16")
        chosen = "bfloat16" if self.agreement_db >= self._min_agreement_db else "float32"
        logger.info(
            "bfloat16 agrees with float32 to %.1f dB on a simulated source, expected at least %.0f dB: using %s",
            self.agreement_db,
            self._min_agreement_db,
            chosen,
        )
        return chosen

    def _agreement_db(self, precision: str) -> float:
        """Compute the PSNR (dB) of one precision against float32 on a simulated source."""
        source = self._trial_source()
        rounded = convert(copy.deepcopy(self._network), precision, output_layer=self.spec.output_layer)
        exact = self._run(self._network, source, torch.float32)
        return agreement_db(self._run(rounded, source, PRECISIONS[precision]), exact)

    def _trial_source(self) -> Tensor:
        side = round_up(64, self.size_multiple)  # 128 and 256 pixels result in the same agreement within 1 dB
        source = trial_source((1, self.n_channels, side, side), self.device)
        return source if self._as_source is None else self._as_source(source)

    def _choose_backend(self, backend: str, expected_pixels: int) -> tuple[str, Predict]:
        """Return the backend and its prediction function; must be called before the network's dtype changes."""
        exact = self.precision == "float32"
        least_db = MIN_FLOAT32_AGREEMENT_DB if exact else self._min_agreement_db
        chosen = backend
        if backend == "auto":
            chosen = self._fastest_backend(expected_pixels)
        if chosen == "torch":
            return chosen, self._fewer_multiplications() if exact and self.device.type == "cpu" else self._network
        if chosen == "compile":
            return chosen, with_compile(self._network, least_db)
        predict = on_runtime(chosen, self._network, self.precision)
        try:
            with torch.inference_mode():
                check_agreement(chosen, predict, self._network, self._trial_source(), least_db)
        except InputError as error:
            if backend != "auto":
                raise
            logger.info("%s: using torch", error)
            return "torch", self._fewer_multiplications() if exact else self._network
        if backend == "auto":  # must not raise an error for a later size
            return chosen, on_runtime(chosen, self._network, self.precision, or_torch=True)
        return chosen, predict

    def _fastest_backend(self, expected_pixels: int) -> str:
        """Return the backend with the shortest run of `expected_pixels`; must be called before the dtype changes."""
        other = other_backend(self.device, self.precision)
        if other is None or expected_pixels < MEASURED_RUN:
            return "torch"
        multiple = self.size_multiple
        per_pixel = activation_bytes_per_pixel(self._network, self.n_channels, multiple)
        side = round_up(min(MEASURED_SIDE, largest_tile(self.device, per_pixel)), multiple)
        source = trial_source((1, self.n_channels, side, side), self.device)

        def on_torch() -> Predict:
            exact = self.precision == "float32"
            network = self._fewer_multiplications() if exact else copy.deepcopy(self._network)
            predict = in_strips(convert(network, self.precision, output_layer=self.spec.output_layer))
            return lambda source: self._run(predict, source, PRECISIONS[self.precision])

        def on_other() -> Predict:
            predict = on_runtime(other, self._network, self.precision)
            return lambda source: self._run(predict, source, torch.float32)

        key = cost_key(self._network, self.precision, (other,))
        return cheapest(measured_costs({"torch": on_torch, other: on_other}, source, key), expected_pixels)

    def _fewer_multiplications(self) -> nn.Module:
        """Return the network with Winograd convolutions, or unchanged if it amplifies their rounding errors."""
        fast, source = with_winograd(self._network), self._trial_source()
        if not any(isinstance(module, WinogradConv2d) for module in fast.modules()):
            return self._network
        agreement = agreement_db(
            self._run(fast, source, torch.float32), self._run(self._network, source, torch.float32)
        )
        return fast if agreement >= MIN_FLOAT32_AGREEMENT_DB else self._network


def choose_device(device: str | torch.device) -> torch.device:
    """Return the torch device for a name; ``"auto"`` chooses CUDA, then MPS, then the CPU."""
    if isinstance(device, str) and device == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(
            f"{setting('device', device)} is not known, expected 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"
        ) from error
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"{setting('device', str(device))} is not supported, expected 'auto', 'cpu', 'cuda' or 'mps'")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(
            f"{setting('device', str(device))} is not available, torch finds {count} CUDA devices; use 'auto'"
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"{setting('device', 'mps')} is not available, torch finds no Apple GPU; use 'auto'")
    return chosen
