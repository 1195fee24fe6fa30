"""Many clips measured alike, on one machine or a cluster: the paper's tables with our numbers."""
