from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from decrappify.networks import create, plain_residual_unet
from decrappify.networks.plain_residual_unet import PlainResidualUNet


def test_module_imports_only_torch_and_the_standard_library():
    tree = ast.parse(Path(plain_residual_unet.__file__).read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert names == {"__future__", "itertools", "torch"}


@pytest.mark.parametrize(
    "settings", [{"n_frames": 3}, {"n_frames": 1, "scale": 2, "in_channels": 2, "out_channels": 2}]
)
def test_plain_network_predicts_the_same_from_the_same_weights(settings):
    network = create("small", base_channels=16, depth=1, **settings).eval()
    torch.nn.init.normal_(network.tail.weight)
    plain = PlainResidualUNet(**{k: v for k, v in network.architecture.items() if k != "name"}).eval()
    plain.load_state_dict(network.state_dict())
    source = torch.rand(2, network.spec.source_channels, 16, 24)
    with torch.inference_mode():
        assert torch.equal(plain(source), network(source))
