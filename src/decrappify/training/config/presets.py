"""NoGAN schedules by name: the published ones of DeOldify, and one for microscopy."""

from __future__ import annotations

from dataclasses import replace

from decrappify.errors import InputError
from decrappify.training.config.nogan import CriticStep, GanStep, NoganConfig, PretrainStep

_FALLS = 1e-8  # of pct_start: the rate only falls
_WARM_CRITIC = CriticStep(size=128, batch_size=64, epochs=6, learning_rate=1e-3)
_CRITIC = CriticStep(size=192, batch_size=16, epochs=4, learning_rate=1e-4)


def _pretrain(batch_sizes: tuple[int, int, int, int]) -> tuple[PretrainStep, ...]:
    """Return the steps of jantic/DeOldify's notebooks: frozen and unfrozen at 64 px, then 128 and 192 px."""
    rows = (
        (64, 1.0, True, 1e-3, None, 0.8),
        (64, 1.0, False, 3e-4, 3e-7, _FALLS),
        (128, 1.0, False, 1e-4, 1e-7, _FALLS),
        (192, 0.5, False, 5e-5, 5e-8, _FALLS),
    )
    return tuple(
        PretrainStep(
            size=size,
            batch_size=batch_size,
            share=share,
            frozen=frozen,
            learning_rate=rate,
            encoder_rate=encoder_rate,
            pct_start=pct_start,
        )
        for batch_size, (size, share, frozen, rate, encoder_rate, pct_start) in zip(batch_sizes, rows, strict=True)
    )


_ARTISTIC = NoganConfig(
    task="colorization",
    generator="deoldify-artistic",
    generator_settings={"encoder_weights": "IMAGENET1K_V1"},
    critic="deoldify-critic",
    content_loss="feature-deoldify",
    stability_weight=0.0,
    pretrain=_pretrain((88, 88, 22, 11)),
    generated_size=192,
    first_critic=(_WARM_CRITIC,),
    critic_steps=(_CRITIC,),
    gan=GanStep(size=192, batch_size=9, learning_rate=1e-5, content_weight=2.0),
    cycles=6,
)
_STABLE = replace(
    _ARTISTIC,
    generator="deoldify-stable",
    pretrain=_pretrain((88, 88, 20, 8)),
    gan=GanStep(size=192, batch_size=5, learning_rate=2e-5, content_weight=1.5),
    cycles=4,
)
# Fine-tunes the stable generator and critic as they were before their GAN phase.
_VIDEO = replace(
    _STABLE,
    generator="deoldify-video",
    pretrain=(
        PretrainStep(size=192, batch_size=8, share=0.25, learning_rate=5e-5, encoder_rate=5e-8, pct_start=_FALLS),
    ),
    first_critic=(),
    gan=GanStep(size=192, batch_size=5, share=0.03, learning_rate=5e-6, content_weight=1.5),
    cycles=1,
)
# The generator works on the full grid: pixel shuffles, which speed up larger networks, cause grid artifacts in a GAN
# phase.
_MICROSCOPY = NoganConfig(
    generator="residual-unet",
    generator_settings={"base_channels": 24, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 1},
    items=12_000,
    pretrain=(PretrainStep(size=64, batch_size=8, share=1.0, learning_rate=2e-3, pct_start=0.1),),
    generated_share=0.08,
    critic_steps=(CriticStep(size=64, batch_size=16, epochs=4, learning_rate=5e-4, accuracy=0.85),),
    gan=GanStep(
        size=64,
        batch_size=8,
        share=0.4,
        learning_rate=2e-4,
        critic_factor=2.5,
        adversarial_weight=0.05,
        content_weight=1.0,
    ),
    checkpoint_share=0.008,
    ema_decay=0.998,
    weight_decay=1e-4,
    max_gradient_norm=1.0,
)
_PRESETS = {"artistic": _ARTISTIC, "stable": _STABLE, "video": _VIDEO, "microscopy": _MICROSCOPY}


def nogan_preset(name: str) -> NoganConfig:
    """Return a NoGAN schedule by name.

    Parameters
    ----------
    name : {"artistic", "stable", "video", "microscopy"}
        The first three have the settings published by jantic/DeOldify; "video" starts from the stable generator and
        critic before their GAN phase (``start_from``, ``critic_from``).

    Raises
    ------
    InputError
        For an unknown name.

    Examples
    --------
    >>> [step.size for step in nogan_preset("artistic").pretrain]
    [64, 64, 128, 192]
    """
    if name not in _PRESETS:
        raise InputError(f"unknown NoGAN preset {name!r}, expected one of {', '.join(_PRESETS)}")
    return _PRESETS[name]
