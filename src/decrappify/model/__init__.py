"""Models: network, normalization, crappifier and model card in one .safetensors file; import and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.model.catalog import find_model as find_model
    from decrappify.model.catalog import named_models as named_models
    from decrappify.model.catalog import shipped_models as shipped_models
    from decrappify.model.exchange.export import export_model as export_model
    from decrappify.model.header import has_fidelity as has_fidelity
    from decrappify.model.header import read_card as read_card
    from decrappify.model.loading import load_model as load_model
    from decrappify.model.model import Model as Model
    from decrappify.model.model import check_unused as check_unused
    from decrappify.model.shared import model_folders as model_folders

_HOMES = {
    "Model": "model",
    "check_unused": "model",
    "export_model": "exchange.export",
    "find_model": "catalog",
    "has_fidelity": "header",
    "load_model": "loading",
    "model_folders": "shared",
    "named_models": "catalog",
    "read_card": "header",
    "shipped_models": "catalog",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
