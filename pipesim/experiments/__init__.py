"""From one run to a decision: sweeps, replications, intervals, comparison, capacity, calibration, sharing; on many machines."""
