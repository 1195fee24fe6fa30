"""Judging the stages against what is known: virtual speakers' truth, held-out frames."""
