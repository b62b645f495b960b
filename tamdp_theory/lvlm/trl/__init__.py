"""TRL: its hooks, what is recorded of a training run, and tasks for its trainer."""
