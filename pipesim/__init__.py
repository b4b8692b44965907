"""pipesim: trace-driven simulation of AI/ML platforms."""

__version__ = "0.1.0"
