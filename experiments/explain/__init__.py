"""A GRPO configuration in plain words: what it estimates, what that climbs, and what to look out for."""
