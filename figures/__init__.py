"""Figures, one per file, drawn from saved results alone."""
