"""Phase (iv) of NoGAN: critic steps until its loss is below the threshold, then one generator step, repeated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from decrappify.datasets import Sample
from decrappify.losses import critic_loss, generator_adversarial_loss, tuple_loss
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.trainer import Phase
from decrappify.training.nogan.run import NoganRun

_MOST_STEPS_BETWEEN = 100  # between two checkpoints
_BETAS = (0.0, 0.9)

# Evaluates a checkpoint: takes step and images of this phase, returns values for the log and whether to stop.
Evaluate = Callable[[int, int], tuple[dict[str, float], bool]]


def gan_steps(run: NoganRun) -> tuple[int, int]:
    """Return the number of steps of a GAN phase and of those between two of its checkpoints."""
    gan = run.config.gan
    images_a_step = gan.batch_size * run.trainer.n_processes
    every = max(1, min(_MOST_STEPS_BETWEEN, round(run.items * run.config.checkpoint_share / images_a_step)))
    return run.steps(gan.share, gan.batch_size), every


def gan_phase(run: NoganRun, evaluate_checkpoint: Evaluate, name: str) -> None:
    """Run one GAN phase, and call `evaluate_checkpoint` at each checkpoint.

    Both networks use one stream of batches: each step trains the critic or the generator. The trained network is in
    training mode, the other in evaluation mode and unchanged. The critic is trained first, until a critic loss,
    averaged over the processes, is below the threshold; then the generator is trained for one step.
    """
    config, gan = run.config, run.config.gan
    run.generator.freeze_encoder(gan.freeze_encoder)
    run.critic.requires_grad_(True)
    generator, critic = (
        OptimizedNetwork(run.fabric, network, (rate,), betas=_BETAS, weight_decay=config.weight_decay)
        for network, rate in ((run.generator, gan.learning_rate), (run.critic, gan.learning_rate * gan.critic_factor))
    )
    images_a_step = gan.batch_size * run.trainer.n_processes
    total, every = gan_steps(run)
    dataset = run.data.training(gan.size, total * images_a_step, run.seed())
    notes = run.trainer.position.notes  # part of every checkpoint: the network to train next
    notes.setdefault("turn", "critic")
    notes.setdefault("generator_steps", 0)

    def take_step(batch: Sample, number: int) -> dict[str, Tensor]:
        where = f"step {number} of {name}"
        if notes["turn"] == "generator":
            notes["turn"] = "critic"
            notes["generator_steps"] += 1
            return _generator_step(run, generator, batch, where)
        numbers = _critic_step(run, critic, batch, where)
        if run.trainer.mean(numbers["critic"]) < gan.threshold:
            notes["turn"] = "generator"
        return numbers

    def evaluate(number: int, means: dict[str, float]) -> bool:
        values, stop = evaluate_checkpoint(number, number * images_a_step)
        means |= values | {"generator_steps": notes["generator_steps"]}
        return stop

    phase = Phase(
        name=name,
        dataset=dataset,
        batch_size=gan.batch_size,
        total=total,
        stateful={"generator": generator, "critic": critic},
        step=take_step,
        every=every,
        evaluate=evaluate,
    )
    run.run(phase)
    run.generator.freeze_encoder(False)


def _critic_step(run: NoganRun, critic: OptimizedNetwork, batch: Sample, where: str) -> dict[str, Tensor]:
    """Train the critic on real targets and on the generator's predictions of their sources."""
    run.generator.eval()
    run.critic.train().requires_grad_(True)
    with torch.no_grad(), run.fabric.autocast():
        generated = run.generator(batch["source"]).float()
    # One pass for both, so that their spectral norms are equal.
    on_real, on_generated = critic.network(torch.cat([batch["target"], generated])).chunk(2)
    loss = critic_loss(on_real, on_generated, run.config.gan.adversarial)
    critic.step(loss, where)
    return {"critic": loss}


def _generator_step(run: NoganRun, generator: OptimizedNetwork, batch: Sample, where: str) -> dict[str, Tensor]:
    """Train the generator on the adversarial and the content loss, including the stability loss."""
    config, gan = run.config, run.config.gan
    run.generator.train()
    run.critic.eval().requires_grad_(False)
    target, pair = batch["target"], "source_2" in batch
    sources = torch.cat([batch["source"], batch["source_2"]]) if pair else batch["source"]
    predictions = generator.network(sources).float()
    first, second = predictions.chunk(2) if pair else (predictions, None)
    content, stability = tuple_loss(
        first, target, run.content_loss, prediction_2=second, stability_weight=config.stability_weight
    )
    with run.fabric.autocast():
        logits = run.critic(predictions).float()
    adversarial = generator_adversarial_loss(logits, gan.adversarial)
    generator.step(gan.adversarial_weight * adversarial + gan.content_weight * content, where)
    return {"content": content, "stability": stability, "adversarial": adversarial}
