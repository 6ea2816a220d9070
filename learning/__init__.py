"""The small learning core: counter-based draws, returns, networks and PPO. Imports nothing of ours."""
