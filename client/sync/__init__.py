"""sync-models.py: models to the network volume."""
