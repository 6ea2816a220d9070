"""The small causal language model that ships with Solon, and how it is trained and asked."""
