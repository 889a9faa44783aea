"""What a job is and which states it has, what files are called, how long to wait. Pure."""
