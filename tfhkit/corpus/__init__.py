"""LRW's clips made ready for both general trainings: cut into shards, prepared, read again."""
