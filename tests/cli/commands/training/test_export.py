from __future__ import annotations

from decrappify.cli.commands.training.export import SUFFIXES
from decrappify.model.exchange import export


def test_export_writes_a_file_named_after_the_model(command, tiny_models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("export", tiny_models["movie"], "--format", "torchscript")
    assert "tiny-movie.pt: torchscript, input (N, 3, Y, X), Y and X multiples of 4" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-movie.pt"]
    refused = command("export", tiny_models["movie"], "--format", "torchscript", exit_code=2)
    assert "tiny-movie.pt already exists; choose another name, or replace it with --overwrite" in refused.stderr
    command("export", tiny_models["movie"], "--format", "torchscript", "--overwrite")


def test_export_uses_the_weights_of_a_fidelity(command, nogan_model, tmp_path):
    files = [tmp_path / f"{number}.pt" for number in (0, 1)]
    for number, path in enumerate(files):
        command("export", nogan_model, "--format", "torchscript", "-o", path, "--fidelity", number)
    assert files[0].read_bytes() != files[1].read_bytes()


def test_formats_of_the_command_are_those_of_the_library():
    assert SUFFIXES == export.SUFFIXES
