"""A network as plain PyTorch: `source` is a bundle's model.py, `network_source` the network alone."""

from worker.source.file import network_source, source

__all__ = ["network_source", "source"]
