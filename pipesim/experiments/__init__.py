"""From one simulation to many: replications of scenarios on one machine's processes."""
