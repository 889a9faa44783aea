"""The other programs of ``make proxy``: what is missing is found out, started, watched, and ended again."""
