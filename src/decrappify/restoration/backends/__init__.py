"""Backends that run a network for restoration and colorization: torch, torch.compile, ONNX Runtime and OpenVINO."""
