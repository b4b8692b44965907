"""How well a log tells what was fitted to it: a confidence interval for every quantity that a workload model is used for."""
