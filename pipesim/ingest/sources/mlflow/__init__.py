"""MLflow's tracking store."""
