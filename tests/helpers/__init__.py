"""What several test modules share; none of it shares code with the package."""
