"""How agents decide: language models, scripted people, and the types they share."""
