"""Phase (i) of NoGAN: the generator learns from the content loss alone, on patches that grow."""

from __future__ import annotations

from torch import Tensor

from decrappify.networks.groups import freeze_encoder
from decrappify.training.engine.weight_average import WeightAverage
from decrappify.training.engine.optimization import Learner, group_rates
from decrappify.training.engine.loop import generator_step
from decrappify.training.config.nogan import PretrainStep
from decrappify.training.engine.trainer import NoganRun, Remembers
from decrappify.training.engine.validation import Validator

# How often a phase is looked at, at least.
_LOOKS = 10


def pretrain(run: NoganRun, step: PretrainStep, what: str, validator: Validator) -> None:
    """Run one step of the pretraining schedule."""
    config = run.config
    total = run.steps(step.share, step.batch_size)
    run.generator.train()
    freeze_encoder(run.generator, step.frozen)
    learner = Learner(
        run.fabric,
        run.generator,
        group_rates(step.learning_rate, step.encoder_rate),
        weight_decay=config.weight_decay,
        one_cycle=(total, step.pct_start),
    )
    average = WeightAverage(run.generator, config.ema_decay)
    length = total * step.batch_size * run.fabric.world_size
    dataset = run.material.training(step.size, length, run.seed())

    def take_step(batch: object, number: int) -> dict[str, Tensor]:
        total_loss, stability = generator_step(learner.network, batch, run.content, config.stability_weight)  # type: ignore[arg-type]
        learner.learn(total_loss, f"step {number} of {what}", max_norm=config.max_gradient_norm or None)
        average.update(run.generator)
        return {"content": total_loss, "stability": stability}

    def look(_: int, numbers: dict[str, float]) -> bool:
        trained = {key: value.detach().clone() for key, value in run.generator.state_dict().items()}
        run.generator.load_state_dict(average.weights)
        score = validator.score(run.generator, run.fabric.device)
        run.generator.load_state_dict(trained)
        numbers["val_psnr"] = score.psnr
        run.history["psnr_source"], run.history["pretrained_psnr"] = score.psnr_source, score.psnr
        return False

    remembered: dict[str, Remembers] = {"generator": learner, "average": average}
    run.loop(
        what, dataset, step.batch_size, total, remembered, take_step, every=max(1, total // _LOOKS), at_checkpoint=look
    )
    run.generator.load_state_dict(average.weights)
    freeze_encoder(run.generator, False)
