"""Measurements of the whole product on this machine, each beside its floor or its peer in the same run."""
