"""The pictures of a report: pure functions from cells, contrasts and rows to a Picture, or None where there is none."""
