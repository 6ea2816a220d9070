"""The commands of `solon`, one file per noun. Nothing heavy is imported before a command runs."""
