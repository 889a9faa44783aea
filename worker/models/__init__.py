"""Models that a job or a manifest wants: found, fetched, checked."""
