"""Run events of the OpenLineage standard."""
