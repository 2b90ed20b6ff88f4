"""Test exported packages with the real bioimageio.core and ONNX Runtime, in a separate environment.

decrappify is not installed in that environment, as in those of most users of the BioImage Model Zoo. Run with a Python
that has decrappify and its extra ``bioimageio``::

    python tests/compat/bioimageio_check.py [MODEL ...] [--environment .venv-bioimageio] [--report FILE]

For each shipped model, or those named, the package is exported, ``bioimageio test`` runs it in every weights format,
and ONNX Runtime restores a simulated movie, normalized as decrappify normalizes it, which is compared with
``decrappify.restore``. The first run creates the environment (6 GB with the default build of torch, some minutes). The
last line is ``all N checks passed``; otherwise the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# bioimageio.core 0.11.0 requires bioimageio.spec 0.5.12, which fails with pydantic 2.14.
REQUIREMENTS = ("bioimageio.core>=0.9", "onnxruntime>=1.23", "torch>=2.9", "pydantic<2.13")
WEIGHTS = ("pytorch_state_dict", "torchscript", "onnx")
MOST_DIFFERENCE = 1e-4  # of the normalized range
RUN_ONNX = """
import sys, numpy as np, onnxruntime, zipfile
assert "decrappify" not in sys.modules
with zipfile.ZipFile(sys.argv[1]) as archive:
    content = archive.read("weights.onnx")
session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
windows = np.load(sys.argv[2])
np.save(sys.argv[3], np.concatenate([session.run(None, {"source": window[None]})[0] for window in windows]))
"""


def main() -> int:
    """Create the environment if it is missing, and check each model in it."""
    from decrappify.model import shipped_models

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=sorted(shipped_models()), help="names or files of models")
    parser.add_argument("--environment", type=Path, default=REPOSITORY / ".venv-bioimageio", help="where to install")
    parser.add_argument("--report", type=Path, help="file for the complete output of `bioimageio test`")
    arguments = parser.parse_args()
    python = environment(arguments.environment)
    write_line(versions(python))
    failures = count = 0
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            for name, problem in checks(model, python, Path(folder), arguments.report):
                count += 1
                failures += problem is not None
                write_line(f"{'ok' if problem is None else 'FAILED'}  {model}: {name}{problem or ''}")
    write_line(f"{failures} of {count} checks failed" if failures else f"all {count} checks passed")
    return 1 if failures else 0


def environment(folder: Path) -> Path:
    """Return the Python of the environment, which is created and completed if necessary."""
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    imports = "import bioimageio.core, onnxruntime, torch, pydantic; assert pydantic.VERSION < '2.13'"
    if subprocess.run([python, "-c", imports], check=False, capture_output=True).returncode:
        write_line(f"installing {', '.join(REQUIREMENTS)} into {folder}")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    return python


def versions(python: Path) -> str:
    """Return the versions of the packages in the environment."""
    code = (
        "from importlib.metadata import version as v; from importlib.util import find_spec; "
        "assert find_spec('decrappify') is None; "
        "print(', '.join(f'{n} {v(n)}' for n in ('bioimageio.core', 'bioimageio.spec', 'onnxruntime', 'torch')))"
    )
    return run([python, "-c", code])[1].strip()


def checks(model: str, python: Path, folder: Path, report: Path | None) -> Iterator[tuple[str, str | None]]:
    """Yield the name and the problem, if any, of each check of a model."""
    from decrappify.model import export_model

    package = export_model(model, folder / "package.zip", format="bioimageio", overwrite=True)
    for weights in WEIGHTS:
        command = [python.parent / "bioimageio", "test", package, "--weight-format", weights]
        status, output = run(command)
        if report is not None:
            title = f"$ bioimageio test {model}.zip --weight-format {weights}"
            with report.open("a", encoding="utf-8") as file:
                file.write(f"{title}\n{output}\nexit status {status}\n\n")
        passed = status == 0 and f"weights.{weights}" in output and "failed" not in output
        yield f"bioimageio test, {weights}", None if passed else f"\n{output}"
    difference = onnx_difference(model, package, python, folder)
    yield (
        f"ONNX Runtime differs from decrappify by {difference:.1e} of the range",
        None if difference <= MOST_DIFFERENCE else f", expected at most {MOST_DIFFERENCE:g}",
    )


def onnx_difference(model: str, package: Path, python: Path, folder: Path) -> float:
    """Return the largest difference of a restored simulated movie, as a share of the normalized range."""
    import numpy as np

    import decrappify as dc
    from decrappify.model import load_model
    from decrappify.normalization import measure
    from decrappify.samples import simulate
    from decrappify.windows import window_indices

    loaded = load_model(model)
    noisy = simulate("cell", n_frames=4, size=(200, 248), seed=7).noisy
    movie = dc.Movie.from_array(np.asarray(noisy).astype(np.float32), axes="TCZYX")  # unrounded output
    norm = measure(movie, 0, loaded.normalization.on_source(loaded.scale))
    frames = np.stack([norm.apply(movie.frame(t, 0, 0)) for t in range(4)])
    windows = np.stack([frames[list(window_indices(t, 4, loaded.n_frames))] for t in range(4)])
    np.save(folder / "windows.npy", windows)
    run([python, "-c", RUN_ONNX, package, folder / "windows.npy", folder / "found.npy"], check=True)
    found = np.load(folder / "found.npy")[:, 0] * norm.scale + norm.offset
    options = dc.InferenceOptions(device="cpu", precision="float32", backend="torch")
    expected = np.asarray(dc.restore(movie, loaded, inference=options))[:, 0, 0]
    return float(np.abs(found - expected).max()) / norm.scale


def run(command: list[Any], *, check: bool = False) -> tuple[int, str]:
    """Run a command without decrappify on its path, and return its exit status and its output."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"COLUMNS": "120"}
    done = subprocess.run(
        list(map(str, command)), check=False, capture_output=True, text=True, env=variables, cwd=tempfile.gettempdir()
    )
    if check and done.returncode:
        raise RuntimeError(done.stderr)
    return done.returncode, done.stdout + done.stderr


def write_line(line: str) -> None:
    """Write a line to the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
