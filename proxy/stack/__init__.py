"""The other programs of ``make proxy``: find out what is missing, start it, watch it, and stop it."""
