"""A router and a semantic cache in front of large language models, in your own process."""
