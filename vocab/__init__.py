"""What a tag is: scene graphs, tags, the vocabulary and the decisions that shape it."""
