"""What can be said from groups of rollouts alone: estimates, intervals, and measures of claims."""
