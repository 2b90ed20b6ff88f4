"""What runs a network for restoration and colorization: torch, what torch compiles, ONNX Runtime or OpenVINO."""
