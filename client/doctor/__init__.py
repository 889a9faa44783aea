"""doctor.py: says what is wrong with the set-up."""
