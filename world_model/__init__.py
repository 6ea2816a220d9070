"""What was learned of the people: trait trackers, response ensembles, imagination."""
