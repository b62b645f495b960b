"""The report: saved results as one page for a browser, and as tables and theorems for LaTeX."""
