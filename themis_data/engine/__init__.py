"""How steps run: the verbs of `Rows`, segments over shards, the shuffle by key, and the two engines."""
