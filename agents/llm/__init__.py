"""Language-model people: engines, journal, budget, and the population that asks them."""
