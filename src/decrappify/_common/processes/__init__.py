"""Processes: their threads, processor and memory allocator, and those that torchrun started."""
