"""What happens to a job, from its submission to its end."""
