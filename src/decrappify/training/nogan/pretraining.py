"""Phase (i) of NoGAN: the generator is trained on the content loss alone, on patches of increasing size."""

from __future__ import annotations

from torch import Tensor

from decrappify.datasets import Sample
from decrappify.training.config.nogan import PretrainStep
from decrappify.training.engine.generator import generator_loss
from decrappify.training.engine.optimization import OptimizedNetwork, group_rates
from decrappify.training.engine.trainer import Phase
from decrappify.training.engine.weight_average import WeightAverage
from decrappify.training.nogan.run import NoganRun
from decrappify.training.nogan.validation import GeneratorValidation

_EVALUATIONS = 10  # per phase


def pretrain(run: NoganRun, step: PretrainStep, name: str, validation: GeneratorValidation) -> None:
    """Run one step of the pretraining schedule."""
    config = run.config
    total = run.steps(step.share, step.batch_size)
    run.generator.train()
    run.generator.freeze_encoder(step.frozen)
    generator = OptimizedNetwork(
        run.fabric,
        run.generator,
        group_rates(step.learning_rate, step.encoder_rate),
        groups=run.generator.parameter_groups(),
        weight_decay=config.weight_decay,
        one_cycle=(total, step.pct_start),
    )
    average = WeightAverage(run.generator, config.ema_decay)
    length = total * step.batch_size * run.trainer.n_processes

    def take_step(batch: Sample, number: int) -> dict[str, Tensor]:
        loss, stability = generator_loss(generator.network, batch, run.content_loss, config.stability_weight)
        generator.step(loss, f"step {number} of {name}", max_norm=config.max_gradient_norm or None)
        average.update(run.generator)
        return {"content": loss, "stability": stability}

    def evaluate(number: int, means: dict[str, float]) -> bool:
        with average.applied_to(run.generator):
            means |= validation.score(preview_at=number)
        run.history["psnr_source"], run.history["pretrained_psnr"] = means["val_psnr_source"], means["val_psnr"]
        return False

    phase = Phase(
        name=name,
        dataset=run.data.training(step.size, length, run.seed()),
        batch_size=step.batch_size,
        total=total,
        stateful={"generator": generator, "average": average},
        step=take_step,
        every=max(1, total // _EVALUATIONS),
        evaluate=evaluate,
    )
    run.run(phase)
    run.generator.load_state_dict(average.weights)
    run.generator.freeze_encoder(False)
