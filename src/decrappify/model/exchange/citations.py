"""Publications of the methods in a model, for packages of the BioImage Model Zoo."""

from __future__ import annotations

from decrappify.networks.spec import NetworkSpec

_UNET = (
    "Ronneberger, Fischer and Brox (2015): U-Net: convolutional networks for biomedical image segmentation. MICCAI",
    "10.1007/978-3-319-24574-4_28",
)
_CRAPPIFIER = (
    "Fang et al. (2021): Deep learning-based point-scanning super-resolution imaging. Nature Methods 18, 406-416 "
    "(training on degraded images; windows of several frames)",
    "10.1038/s41592-021-01080-z",
)
_BIAS_FREE = (
    "Mohan, Kadkhodaie, Simoncelli and Fernandez-Granda (2020): Robust and interpretable blind image denoising via "
    "bias-free convolutional neural networks. ICLR",
    "10.48550/arXiv.1906.05478",
)
_PIXEL_SHUFFLE = (
    "Shi et al. (2016): Real-time single image and video super-resolution using an efficient sub-pixel convolutional "
    "neural network. CVPR",
    "10.1109/CVPR.2016.207",
)


def method_citations(spec: NetworkSpec, *, is_trained_on_degraded: bool) -> list[dict[str, str]]:
    """Return text and DOI of the publications that a model of this kind follows.

    Parameters
    ----------
    spec : NetworkSpec
        Properties of its residual U-Net.
    is_trained_on_degraded : bool
        Whether it was trained with a crappifier, and not on measured pairs.

    Examples
    --------
    >>> spec = NetworkSpec(n_frames=1, in_channels=1, out_channels=1)
    >>> [entry["doi"] for entry in method_citations(spec, is_trained_on_degraded=False)]
    ['10.1007/978-3-319-24574-4_28', '10.1109/CVPR.2016.207']
    """
    used = [_UNET, _PIXEL_SHUFFLE]
    used += [_CRAPPIFIER] if is_trained_on_degraded else []
    used += [_BIAS_FREE] if spec.homogeneous else []
    return [{"text": text, "doi": doi} for text, doi in used]
