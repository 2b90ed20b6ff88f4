"""Check that the gray levels of a movie fit into the dtype of the result, before the first plane is restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from decrappify._common.argument_names import setting
from decrappify.errors import InputError

if TYPE_CHECKING:
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.measurement.channels import Channel


def check_output_range(job: Job, channels: Sequence[Channel]) -> None:
    """Raise InputError if nearly all pixels of a channel would be clipped to a limit of the integer dtype.

    Raises
    ------
    InputError
        If background and bright structure are both beyond the same limit.
    """
    if job.dtype.kind not in "ui" or job.dtype == job.movie.dtype:
        return
    limits = np.iinfo(job.dtype)
    for name, channel in zip(job.movie.channel_names, channels, strict=True):
        low = channel.normalization.offset if channel.constant is None else channel.constant
        high = low if channel.constant is not None else low + channel.normalization.scale
        if low > limits.max or high < limits.min:
            raise InputError(
                f"nearly all pixels of {job.movie.name} would be clipped by {setting('dtype', job.dtype.name)}: the "
                f"gray levels of channel {name} are about {low:.4g} to {high:.4g}, {job.dtype.name} has {limits.min} "
                f"to {limits.max}; use {setting('dtype', wider_dtype(job))}"
            )


def wider_dtype(job: Job) -> str:
    """Return the name of a dtype for the gray levels of the result: that of an integer input, else float32."""
    own, dtype = job.movie.dtype, job.dtype
    return own.name if own != dtype and own.kind in "ui" else "float32"
