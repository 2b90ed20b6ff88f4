"""Choice between a Dask cluster and independent parts, and the checks of their arguments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from decrappify._common.argument_names import argument, setting
from decrappify.errors import InputError
from decrappify.restoration.distributed.recipe import Recipe, portable_model, portable_movie
from decrappify.restoration.outputs.results import open_result

if TYPE_CHECKING:
    from decrappify.io.opening.record import Opening
    from decrappify.movie import Movie
    from decrappify.restoration.distributed.parts import Part
    from decrappify.restoration.run.call import Call


class Sharing(Protocol):
    """A way to restore one movie with several processes."""

    def restored(self, call: Call) -> Movie:
        """Restore the movie of a call."""


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Restoration by the workers of a cluster.

    Attributes
    ----------
    cluster : Client, str, int or cluster object
        As for `restore`.
    movie : Opening
        How workers open the movie.
    model : str, mapping or list
        Names and paths of the models.
    output : Path
        Absolute path of the output.
    """

    cluster: Any
    movie: Opening
    model: Any
    output: Path

    def restored(self, call: Call) -> Movie:
        """Restore the movie of a call."""
        from decrappify.restoration.distributed.run import restored_on_cluster

        state = call.state()
        try:
            if state.complete:
                return open_result(self.output)
            recipe = Recipe(
                movie=self.movie,
                model=self.model,
                output=self.output,
                inference=call.inference,
                options=call.job.options,
                settings=state.settings,
            )
            return restored_on_cluster(call, state, recipe, self.cluster)
        finally:
            state.close()


@dataclass(frozen=True, slots=True)
class InParts:
    """Restoration of one part by this process."""

    part: Part

    def restored(self, call: Call) -> Movie:
        """Restore the part of the movie of a call."""
        from decrappify.restoration.distributed.parts import restored_part

        return restored_part(call, self.part)


def checked_sharing(
    movie: Any, model: Any, output: Path | None, cluster: Any, part: str | None, *, trust: bool, starts_anew: bool
) -> Sharing:
    """Check the arguments of a restoration with `cluster` or `part`.

    Parameters
    ----------
    movie, model, output, cluster, part
        As for `restore`.
    trust : bool
        Whether a trust map is to be written.
    starts_anew : bool
        Whether an existing output, or an unfinished one, may be replaced.

    Raises
    ------
    InputError
        If both are passed, the output is missing, or an argument does not suit other processes.
    MissingExtraError
        If Dask is not installed.
    """
    from decrappify.restoration.distributed.parts import Part

    if output is None:
        name = "cluster" if part is None else "part"
        raise InputError(f"{argument(name)} needs an output on a disk that all processes share, such as 'out.ome.zarr'")
    if part is None:
        from decrappify.restoration.distributed.cluster import check_cluster

        check_cluster(cluster)
        place = Path(os.path.abspath(output))  # noqa: PTH100 - without resolving links, which may differ on the workers
        return OnCluster(cluster, portable_movie(movie), portable_model(model), place)
    chosen = Part.parsed(part)
    if cluster is not None:
        raise InputError("cluster and part are two ways to share a restoration; omit one of them")
    if starts_anew:
        raise InputError(
            f"jobs of parts cannot start anew, as they share one unfinished output; delete it, and omit "
            f"{setting('overwrite', True)} and {setting('resume', False)}"
        )
    if trust:
        raise InputError("a trust map needs the complete movie; call trust_map (decrappify trust) after the last part")
    return InParts(chosen)
