"""What each submission is: its pipeline, who submits it, its tasks and how much work they are, and how that hangs together."""
