"""Settings of a NoGAN run: patch size, length and learning rate of each phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from decrappify._common.checks import check_whole, short
from decrappify.errors import InputError
from decrappify.networks import DEFAULT_NETWORK
from decrappify.training.config.checks import check_choice, check_keys, check_network_settings, check_range, check_types
from decrappify.training.config.options import RunSettings, with_present_names

ADVERSARIAL = ("bce", "hinge", "least-squares")
TASKS = ("restoration", "colorization")


def _check_sizes(step: Any, *names: str) -> None:
    check_types(step)
    for name in names:
        check_range(name, getattr(step, name), 1)


def _check_rates(*rates: tuple[str, float | None]) -> None:
    for name, rate in rates:
        if rate is not None:
            check_range(name, rate, 1e-12, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorStep:
    """Settings of every step that trains the generator.

    Attributes
    ----------
    size : int
        Side of the source patch in pixels.
    batch_size : int
        Patches per step and process.
    share : float
        Fraction of the data that is used; 1 uses all data once.
    """

    size: int = 64
    batch_size: int = 16
    share: float = 1.0

    def __post_init__(self) -> None:
        _check_sizes(self, "size", "batch_size")
        check_range("share", self.share, 1e-6, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainStep(GeneratorStep):
    """One step of phase (i): the generator is trained on the content loss alone.

    Attributes
    ----------
    size, batch_size : int
        Side of the source patch in pixels, and patches per step and process.
    share : float
        Fraction of the data that is used; 1 uses all data once.
    frozen : bool
        Whether to freeze the encoder's convolutions.
    learning_rate : float
        Peak learning rate of the decoder.
    encoder_rate : float or None
        Peak learning rate of the early encoder; that of the late encoder is halfway on a logarithmic scale. With None
        both are a tenth of `learning_rate`.
    pct_start : float
        Share of the steps in which the learning rate of the one-cycle schedule rises; near 0 it only falls.
    """

    frozen: bool = False
    learning_rate: float = 1e-3
    encoder_rate: float | None = None
    pct_start: float = 0.1

    def __post_init__(self) -> None:
        GeneratorStep.__post_init__(self)
        _check_rates(("learning_rate", self.learning_rate), ("encoder_rate", self.encoder_rate))
        check_range("pct_start", self.pct_start, 1e-8, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticStep:
    """One step of phase (iii): the critic is trained to classify generated and real images.

    Attributes
    ----------
    size : int
        Side of the image patch in pixels.
    batch_size : int
        Images per step and process, half of them real.
    epochs : int
        Maximum number of passes over the saved images.
    learning_rate : float
        Peak of the one-cycle schedule.
    accuracy : float
        The step ends early if this share of held-out patches is classified correctly after an epoch; 1 disables it.
    """

    size: int = 64
    batch_size: int = 16
    epochs: int = 4
    learning_rate: float = 1e-4
    accuracy: float = 1.0

    def __post_init__(self) -> None:
        _check_sizes(self, "size", "batch_size", "epochs")
        _check_rates(("learning_rate", self.learning_rate))
        check_range("accuracy", self.accuracy, 0.5, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GanStep(GeneratorStep):
    """Phase (iv): critic steps until its loss is below the threshold, then one generator step, repeated.

    Attributes
    ----------
    size, batch_size : int
        Side of the source patch in pixels, and patches per step and process.
    share : float
        Fraction of the data that is used by generator and critic together; 1 uses all data once.
    learning_rate : float
        Constant learning rate of the generator.
    critic_factor : float
        Ratio of the critic's learning rate to the generator's.
    adversarial_weight, content_weight : float
        Weights of the two losses of the generator.
    threshold : float
        A generator step follows a critic loss below this value.
    adversarial : str
        "bce", "hinge" or "least-squares".
    freeze_encoder : bool
        Whether to freeze the encoder's convolutions.
    """

    batch_size: int = 8
    share: float = 0.03
    learning_rate: float = 1e-5
    critic_factor: float = 5.0
    adversarial_weight: float = 1.0
    content_weight: float = 2.0
    threshold: float = 0.65
    adversarial: str = "bce"
    freeze_encoder: bool = True

    def __post_init__(self) -> None:
        GeneratorStep.__post_init__(self)
        _check_rates(("learning_rate", self.learning_rate))
        check_range("critic_factor", self.critic_factor, 1e-6)
        for name in ("adversarial_weight", "content_weight", "threshold"):
            check_range(name, getattr(self, name), 0)
        check_choice("adversarial", self.adversarial, ADVERSARIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoganConfig(RunSettings):
    """Settings of a NoGAN run, by phase, in addition to those of `RunSettings`.

    Attributes
    ----------
    task : str
        "restoration" (movies and a crappifier, or pairs) or "colorization" (photographs and a color crappifier).
    generator, critic : str
        Names of networks for `decrappify.networks.create`.
    generator_settings, critic_settings : mapping
        Settings of the networks.
    content_loss : str
        A pixel loss, "feature-deoldify" or "feature-lesson7".
    vgg_weights : str
        VGG weights of a feature loss: "imagenet", a file, or "random".
    items : int or None
        Number of items that count as all data; by default the number of photographs, or 20,000 patches of movies or
        pairs.
    pretrain : tuple of PretrainStep
        Phase (i).
    generated_share, generated_size, generated_batch_size : float, int, int
        Phase (ii): fraction of the data for which generated images are saved, their patch and batch size.
    first_critic : tuple of CriticStep
        Phase (iii) of the first cycle, before `critic_steps`.
    critic_steps : tuple of CriticStep
        Phase (iii) of every cycle.
    gan : GanStep
        Phase (iv).
    cycles : int
        Repetitions of phases (ii) to (iv); a cycle without a better checkpoint is the last.
    detect : bool
        Whether to stop the GAN phase at the inflection point; otherwise all of `gan.share` is used. In both cases the
        model is the selected checkpoint.
    checkpoint_share : float
        Share of the data between two checkpoints of the GAN phase, which are at most 100 steps apart.
    validation_patches : int
        Held-out patches on which the checkpoints are compared.
    max_gradient_norm : float
        Gradients of the generator are clipped to this norm in phase (i); 0 disables clipping.
    """

    task: str = "restoration"
    generator: str = DEFAULT_NETWORK
    generator_settings: Mapping[str, Any] = field(default_factory=dict)
    critic: str = "small-critic"
    critic_settings: Mapping[str, Any] = field(default_factory=dict)
    content_loss: str = "rmse"
    vgg_weights: str = "imagenet"
    items: int | None = None
    pretrain: tuple[PretrainStep, ...] = (PretrainStep(),)
    generated_share: float = 0.085
    generated_size: int = 64
    generated_batch_size: int = 8
    first_critic: tuple[CriticStep, ...] = ()
    critic_steps: tuple[CriticStep, ...] = (CriticStep(),)
    gan: GanStep = GanStep()
    cycles: int = 1
    detect: bool = True
    checkpoint_share: float = 0.001
    validation_patches: int = 64
    weight_decay: float = 1e-3
    max_gradient_norm: float = 0.0
    checkpoint_minutes: float = 15.0  # checkpoints of the DeOldify networks and their critic have 1.9 GB each

    def __post_init__(self) -> None:
        RunSettings.__post_init__(self)
        check_choice("task", self.task, TASKS)
        for name in ("generator_settings", "critic_settings"):
            check_network_settings(name, getattr(self, name))
        check_whole(1, in_channels=self.generator_settings.get("in_channels", 1))
        for name in ("generated_size", "generated_batch_size", "cycles"):
            check_range(name, getattr(self, name), 1)
        check_range("validation_patches", self.validation_patches, 4)
        if self.items is not None:
            check_range("items", self.items, 1)
        check_range("max_gradient_norm", self.max_gradient_norm, 0)
        check_range("generated_share", self.generated_share, 1e-6, 1)
        check_range("checkpoint_share", self.checkpoint_share, 1e-6, 1)
        for step in (*self.first_critic, *self.critic_steps):
            if step.size > self.generated_size:
                raise InputError(
                    f"a critic step has size {step.size}, larger than the saved images; "
                    f"needs at most generated_size {self.generated_size}"
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], base: NoganConfig | None = None) -> NoganConfig:
        """Create settings from plain values such as a TOML table; raise InputError for an unknown key.

        Other settings are those of `base`. Steps are tables: ``pretrain = [{size = 64, ...}, ...]``. A table ``gan``
        changes only its own keys.

        Examples
        --------
        >>> NoganConfig.from_dict({"cycles": 2, "gan": {"share": 0.01}}).gan.share
        0.01
        """
        base = base or cls()
        check_keys(values, cls, "the NoGAN settings")
        merged = {item.name: getattr(base, item.name) for item in fields(cls)} | with_present_names(values)
        for name, kind in (("pretrain", PretrainStep), ("first_critic", CriticStep), ("critic_steps", CriticStep)):
            merged[name] = tuple(_step(step, kind, name) for step in _list(merged[name], name))
        gan = merged["gan"]
        merged["gan"] = _step(asdict(base.gan) | dict(gan) if isinstance(gan, Mapping) else gan, GanStep, "gan")
        return cls(**merged)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as plain values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("pretrain", "first_critic", "critic_steps"):
            values[name] = [asdict(step) for step in values[name]]
        for name in ("generator_settings", "critic_settings"):
            values[name] = dict(values[name])
        return values | {"gan": asdict(self.gan)}


def _list(given: Any, name: str) -> list[Any]:
    if not isinstance(given, list | tuple):
        raise InputError(f"{name} is {short(given)}, expected a list of tables")
    return list(given)


def _step(given: Any, kind: Any, name: str) -> Any:
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise InputError(f"{name} contains {short(given)}, expected tables with keys of {kind.__name__}")
    check_keys(given, kind, f"{name} of the NoGAN settings")
    return kind(**given)
