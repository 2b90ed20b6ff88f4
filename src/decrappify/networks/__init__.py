"""Networks by name; torch is imported when one is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.networks.registry import DEFAULT_NETWORK as DEFAULT_NETWORK
    from decrappify.networks.registry import create as create
    from decrappify.networks.registry import network_names as network_names
    from decrappify.networks.registry import register_network as register_network
    from decrappify.networks.registry import unregister_network as unregister_network
    from decrappify.networks.spec import NetworkSpec as NetworkSpec
    from decrappify.networks.spec import RestorationNetwork as RestorationNetwork

_HOMES = {
    "DEFAULT_NETWORK": "registry",
    "NetworkSpec": "spec",
    "RestorationNetwork": "spec",
    "create": "registry",
    "network_names": "registry",
    "register_network": "registry",
    "unregister_network": "registry",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
