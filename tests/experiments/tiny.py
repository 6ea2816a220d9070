"""A config whose whole run takes seconds."""

TINY = """
population: {people: personas/populations/communities.yaml, model: "mock:uniform"}
society: {name: income_tax}
baselines: [us_federal, saez]
evaluation: {communities: 2}
method:
  settings:
    first_episodes: 2
    check_episodes: 1
    base_worlds: 2
    tracker_worlds: 2
    base_search: {generations: 1, candidates: 4}
    fit: {steps: 2, tracker_steps: 2}
    improve: {iterations: 1, worlds: 2}
    model: {members: 2}
"""
