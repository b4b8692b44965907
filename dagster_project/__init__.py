"""The Dagster code location: every step of pipesim as an asset. Wiring only; the work is done by `pipesim`.

The modules do not postpone the evaluation of annotations, because Dagster reads config and resources off them.
"""
