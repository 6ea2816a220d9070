"""What is claimed and run: the command line, run folders, reports and claims."""
