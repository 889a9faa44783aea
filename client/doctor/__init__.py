"""doctor.py: finds out what is wrong with the set-up."""
