"""What agents play: pure, batched societies, the episode loop and the episode store."""
