"""Network execution: precision, backends, fast convolutions and memory planning."""
