"""Workflow files as people have them, turned into prompts. Pure."""
