"""One picture that speaks, by the general weights (Ours-G in Sec. 4)."""
