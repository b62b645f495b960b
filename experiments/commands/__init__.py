"""One command per file: a frozen dataclass whose fields are the options, and ``run() -> exit code``."""
