from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from tests.restoration.conftest import FAST
from tests.restoration.distributed.test_parts import stopped_after

from decrappify import Cancelled, restore
from decrappify.errors import InputError, MissingExtraError, RemoteError
from decrappify.io import open_movie, save_movie
from decrappify.io.store.planes.regions import create_regions, renew_token
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.restoration.distributed.cluster import local_cluster

distributed = pytest.importorskip("distributed")
ANY_PORT = {"dashboard_address": "127.0.0.1:0"}  # a second cluster on the machine warns about the default one


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, scheduler_kwargs=ANY_PORT
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


def test_workers_write_the_file_of_a_single_process(case, client):
    planes = []
    restored = case.restore(cluster=client, on_plane=lambda *plane: planes.append(plane))
    assert sorted(planes) == list(restored.planes())
    assert case.is_as_expected()


def test_run_stopped_on_workers_is_resumed_by_a_single_process(case, client):
    with pytest.raises(Cancelled, match=r"cancelled after \d+ of 18 planes"):
        case.restore(cluster=client, **stopped_after(4))
    written = []
    case.restore(on_plane=lambda *plane: written.append(plane))
    assert 0 < len(written) <= 14
    assert case.is_as_expected()


def test_run_stopped_in_a_single_process_is_resumed_by_workers(case, client):
    with pytest.raises(Cancelled):
        case.restore(**stopped_after(5))
    written = []
    case.restore(cluster=client, on_plane=lambda *plane: written.append(plane))
    assert 0 < len(written) <= 13
    assert case.is_as_expected()


def test_opened_scene_and_channel_are_restored(case, client, tmp_path):
    movie = open_movie(case.source, channel=1)
    restore(movie, case.model, case.output, cluster=client, **FAST)
    restore(movie, case.model, tmp_path / "out.ome.zarr", **FAST)
    assert np.array_equal(open_movie(case.output), open_movie(tmp_path / "out.ome.zarr"))


def test_error_of_a_worker_is_one_line(case, client, tmp_path):
    pixels = np.array(open_movie(case.source)).astype(np.float32)
    pixels[3, 1, 0, 2, 2] = np.nan
    source = save_movie(Movie.from_array(pixels), tmp_path / "nan.ome.zarr")
    with pytest.raises(InputError, match="NaN") as caught:
        restore(source, case.model, case.output, cluster=client, **FAST)
    assert "\n" not in str(caught.value)


def test_task_of_an_earlier_run_stops(case, client):
    from decrappify.io.opening.record import opening_of_path
    from decrappify.restoration.distributed.recipe import Recipe
    from decrappify.restoration.distributed.worker import restore_region
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.job.options import RestorationOptions
    from decrappify.restoration.records.resuming import settings_of

    with pytest.raises(Cancelled):
        case.restore(**stopped_after(1))
    options = RestorationOptions()
    with open_movie(case.source) as movie:
        job = Job(movie, load_model(case.model), options)
        settings = settings_of(job)
    recipe = Recipe(
        movie=opening_of_path(case.source),
        model=str(case.model),
        output=case.output,
        inference=FAST["inference"],
        options=options,
        settings=settings,
    )
    working = case.output.with_name("out.ome.zarr.partial")
    token = create_regions(working)
    renew_token(working)  # by a run that has begun since
    report = restore_region(recipe, token, job.whole(), set())
    assert report.error == ("Cancelled", "another run writes this output now")


@pytest.mark.parametrize("changed", ["movie", "array", "model", "output", "type"])
def test_arguments_that_workers_cannot_use_are_refused(case, client, changed):
    movie, model, output, cluster = case.source, case.model, case.output, client
    if changed == "movie":
        movie, message = open_movie(case.source)[2:5], "workers open the movie from its path, found the movie cells"
    elif changed == "array":
        movie, message = np.zeros((5, 40, 50)), "workers open the movie from its path, found ndarray"
    elif changed == "model":
        model, message = load_model(model), r"found a Model; save it with model.save\(path\)"
    elif changed == "output":
        output, message = None, "cluster needs an output on a disk"
    else:
        cluster, message = 2.5, "cluster has type float, expected a Dask client"
    with pytest.raises(InputError, match=message):
        restore(movie, model, output, cluster=cluster, **FAST)


def test_scheduler_that_does_not_answer_is_one_line(case):
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(RemoteError, match=r"cannot connect to the Dask scheduler tcp://127.0.0.1:9: no scheduler"),
    ):
        case.restore(cluster="tcp://127.0.0.1:9")
    case.restore()
    assert case.is_as_expected()


@pytest.mark.parametrize("address", ["127.0.0.1", "tcp://host", "host:"])
def test_address_without_a_port_is_one_line_at_once(case, address):
    with pytest.raises(InputError, match=f"{address} is not the address of a Dask scheduler, expected a port"):
        case.restore(cluster=address)


def test_local_workers_do_not_use_the_port_of_the_dashboard():
    with socket.socket() as taken:
        with suppress(OSError):  # in use by another program
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        with local_cluster(1) as cluster:  # a warning is an error here
            assert len(cluster.workers) == 1


def test_missing_dask_names_the_extra(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"install 'decrappify\[dask\]'"):
        case.restore(cluster=2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_worker_is_replaced(case):
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=60) as cluster,
        distributed.Client(cluster) as client,
    ):
        first = client.run(os.getpid)
        seen = threading.Event()

        def kill():
            seen.wait(120)
            os.kill(next(iter(first.values())), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        case.restore(cluster=client, on_plane=lambda *_: seen.set())
        killer.join()
        for _ in range(100):
            if client.run(os.getpid) != first:
                break
            time.sleep(0.1)
    assert case.is_as_expected()


@pytest.mark.slow
def test_number_of_local_workers(case):
    case.restore(cluster=2)
    assert case.is_as_expected()
