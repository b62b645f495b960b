"""One study per file: a frozen ``Config`` for one cell, ``sweep`` for the cells, ``run`` for the rows of a cell."""
