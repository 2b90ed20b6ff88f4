"""Plugins: files of a user and installed packages that register components."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from decrappify import load_plugin
from decrappify._common.plugins import VARIABLE
from decrappify.crappify import list_parts, preset_names, unregister_part
from decrappify.errors import InputError, MissingFileError

PART = """
from __future__ import annotations

from dataclasses import dataclass

from decrappify.crappify import NonNegative, Part, register_part


@register_part("{name}")
@dataclass(frozen=True, slots=True)
class Dim(Part):
    loss: NonNegative = 0.5

    def apply(self, signal, rng, times):
        return signal * (1 - self.value("loss"))
"""
PRESET = """
from decrappify.crappify import Poisson, register_preset


@register_preset("our-lamp", "lamp of the laboratory")
def our_lamp():
    return [Dim(loss=(0.1, 0.2)), Poisson(photons=30)]
"""


@pytest.fixture
def parts_file(tmp_path, monkeypatch):
    """A file that registers the part ``dim``, which is removed after the test."""
    monkeypatch.setenv(VARIABLE, "")
    path = tmp_path / "my parts.py"
    path.write_text(PART.format(name="dim"), encoding="utf-8")
    yield path
    if "dim" in list_parts():
        unregister_part("dim")


def python(code: str, **environment: str) -> str:
    """Run code in a new process and return its output with the last line of its stderr."""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    return (result.stdout + result.stderr.strip().rpartition("\n")[2]).strip()


def test_load_plugin_runs_a_file_once_and_leaves_the_import_path(parts_file):
    before = list(sys.path)
    module = load_plugin(parts_file)
    assert load_plugin(parts_file) is module
    assert list_parts()["dim"] is module.Dim
    assert module.Dim.limits == {"loss": module.Dim.limits["loss"]}
    assert sys.path == before
    assert os.environ[VARIABLE] == str(parts_file)


def test_register_part_accepts_the_same_definition_again_and_rejects_another(parts_file):
    load_plugin(parts_file)
    copy = parts_file.with_name("copy.py")
    copy.write_text(parts_file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(InputError, match=r"copy.py, line \d+: InputError: crappifier part 'dim' is registered already"):
        load_plugin(copy)
    exec(
        compile(parts_file.read_text(encoding="utf-8"), parts_file, "exec"),
        {"__name__": load_plugin(parts_file).__name__},
    )
    assert list_parts()["dim"] is not load_plugin(parts_file).Dim, "as in a notebook cell that is run again"


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("no.py", None, MissingFileError, "plugin file .*no.py does not exist; pass the path of a Python file"),
        ("a.txt", "x = 1", InputError, r"a.txt is not a plugin: expected a Python file with the extension .py"),
        ("a.py", "import os\nx = 1 / 0\n", InputError, "cannot load the plugin .*a.py, line 2: ZeroDivisionError: div"),
        ("a.py", "import nothing_here\n", InputError, "line 1: ModuleNotFoundError: No module named 'nothing_here'$"),
        ("a.py", "x = (\n", InputError, "cannot load the plugin .*a.py: SyntaxError: '.' was never closed"),
        ("a.py", "raise SystemExit\n", InputError, "a.py, line 1: SystemExit$"),
    ],
)
def test_load_plugin_reports_a_faulty_file_in_one_line(tmp_path, monkeypatch, name, text, error, message):
    monkeypatch.setenv(VARIABLE, "")
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message) as caught:
        load_plugin(path)
    assert "\n" not in str(caught.value)
    assert os.environ[VARIABLE] == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("class Dim(Part)", "class Dim"),
            "crappifier part 'dim' is <class .*, expected a class with the base decrappify",
        ),
        (
            ("@dataclass(frozen=True, slots=True)\n", ""),
            r"Dim is not a frozen dataclass; write @dataclass\(frozen=True\)",
        ),
        (("frozen=True, ", ""), "cannot inherit non-frozen dataclass from a frozen one"),
        ((" = 0.5", ""), r"non-default argument|Dim.loss has no default value; define one for every field"),
        (("rng, times", "rng"), r"apply cannot be called as apply\(signal, rng, times\): too many positional"),
        (("def apply", "def degrade"), r"Dim has no method apply\(signal, rng, times\)"),
        (('"dim"', '"blur"'), "crappifier part 'blur' is registered already; choose another name"),
        (('"dim"', '"dim light"'), "crappifier part name 'dim light' is not valid; use letters"),
    ],
)
def test_register_part_rejects_invalid_parts(parts_file, change, message):
    text = parts_file.read_text(encoding="utf-8")
    assert change[0] in text
    parts_file.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_plugin(parts_file)


def test_part_that_returns_another_shape_raises(parts_file, rng):
    text = parts_file.read_text(encoding="utf-8").replace('signal * (1 - self.value("loss"))', "signal[:, ::2]")
    parts_file.write_text(text, encoding="utf-8")
    from decrappify import Crappifier

    crappifier = Crappifier([load_plugin(parts_file).Dim()])
    with pytest.raises(InputError, match=r"part 'dim' returned shape \(1, 4, 8\), expected \(1, 8, 8\)"):
        crappifier(rng.random((8, 8)), rng)


def test_environment_variable_loads_plugins_in_processes_that_unpickle_a_part(parts_file):
    import pickle

    data = pickle.dumps(load_plugin(parts_file).Dim(loss=(0.1, 0.4)))
    code = f"import pickle; print(pickle.loads({data!r}))"
    assert python(code) == "Dim(probability=1.0, loss=(0.1, 0.4))"
    assert python(code, **{VARIABLE: ""}).startswith("decrappify.errors.InputError: unknown crappifier part 'dim'")


def test_entry_points_are_loaded_if_a_name_is_unknown(parts_file, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "lamp_package.py").write_text(parts_file.read_text(encoding="utf-8") + PRESET, encoding="utf-8")
    (site / "lamp.dist-info").mkdir()
    (site / "lamp.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp\nVersion: 1\n")
    points = "[decrappify.plugins]\nlamp = lamp_package\nbroken = not_there\n"
    (site / "lamp.dist-info" / "entry_points.txt").write_text(points)
    code = """
import sys, warnings
warnings.simplefilter("error" if "strict" in sys.argv else "ignore")
from decrappify import crappifier_preset
assert crappifier_preset("confocal") and "lamp_package" not in sys.modules
print(crappifier_preset("our-lamp").steps[0])
"""
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    assert python(code, PYTHONPATH=path) == "Dim(probability=1.0, loss=(0.1, 0.2))"
    strict = python(code.replace('"strict" in sys.argv', "True"), PYTHONPATH=path)
    assert strict == (
        "UserWarning: the plugin 'broken' (not_there) is not used: ModuleNotFoundError: No module named 'not_there'"
    )


def test_package_in_the_current_folder_is_not_loaded(tmp_path, monkeypatch):
    """Check that a package in a folder of data is not run."""
    monkeypatch.chdir(tmp_path)
    Path("harm.py").write_text("print('harm')")
    Path("harm.dist-info").mkdir()
    Path("harm.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: harm\nVersion: 1\n")
    Path("harm.dist-info/entry_points.txt").write_text("[decrappify.plugins]\nharm = harm\n")
    assert python("from decrappify.crappify import preset_names; print(preset_names()[0])") == preset_names()[0]


NETWORK = """
from decrappify.networks import NetworkSpec, RestorationNetwork, register_network


@register_network("lamp-net")
class Middle(RestorationNetwork):
    def __init__(self, *, n_frames=1, in_channels=1, out_channels=1, scale=1):
        super().__init__()
        self.spec = NetworkSpec(n_frames=n_frames, in_channels=in_channels, out_channels=out_channels)
        self.architecture = {"name": "lamp-net", "n_frames": n_frames}

    def forward(self, source):
        return self.middle_frame(source)
"""


@pytest.mark.slow
def test_saved_files_name_the_package_that_they_need_and_are_loaded_once_it_is_imported(parts_file, tmp_path):
    site = tmp_path / "site"
    (site / "our_lab").mkdir(parents=True)
    (site / "our_lab" / "parts.py").write_text(parts_file.read_text(encoding="utf-8") + NETWORK, encoding="utf-8")
    (site / "our_lab-1.2.dist-info").mkdir()
    (site / "our_lab-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: our-lab\nVersion: 1.2\n")
    (site / "our_lab-1.2.dist-info" / "top_level.txt").write_text("our_lab\n")
    lines = f"""
import os; os.chdir({str(tmp_path)!r})
from decrappify import Crappifier, Model, load_model
from decrappify.crappify import OneOf, Poisson
"""
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    save = """
from our_lab.parts import Dim, Middle
Crappifier([OneOf((Dim(loss=0.2), Poisson(9)))]).save("nested.toml")
Crappifier([Dim(loss=0.2)]).save("dim.toml")
Model(Middle()).save("model.safetensors")
"""
    assert python(lines + save, PYTHONPATH=path) == ""
    where = "the package our-lab 1.2 (module our_lab.parts); install or import it first, or load its file: --plugin"
    load = """
part, model = "dim.toml", "model.safetensors"
for read in (lambda: Crappifier.load(part).steps[0], lambda: load_model(model).network.architecture):
    try:
        print(read())
    except ValueError as error:
        print(error)
"""
    missing = python(lines + load).splitlines()
    assert f"the crappifier part 'dim' is defined in {where}" in missing[0]
    assert f"model.safetensors needs the network 'lamp-net' of {where}" in missing[1]
    assert f"the crappifier part 'dim' is defined in {where}" in python(f'{lines}Crappifier.load("nested.toml")')
    found = python(f"{lines}import our_lab.parts\n{load}", PYTHONPATH=path).splitlines()
    assert found == ["Dim(probability=1.0, loss=0.2)", "{'name': 'lamp-net', 'n_frames': 1}"]
