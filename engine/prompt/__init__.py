"""From the body of POST /prompt to a submission: checked, with the files that it names. Pure."""
